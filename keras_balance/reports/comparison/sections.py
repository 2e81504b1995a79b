"""The tables of the comparison's page; numbers carry their exact value."""

import os
import pathlib
import urllib.parse

from keras_balance.reports.comparison import notes
from keras_balance.reports.comparison import text as texts
from keras_balance.reports.comparison.baseline import beside_joint
from keras_balance.reports.comparison.published import paper_table
from keras_balance.reports.page import Html
from keras_balance.reports.page import bullets
from keras_balance.reports.page import join
from keras_balance.reports.page import number
from keras_balance.reports.page import table
from keras_balance.reports.page import tag


def results(group, folder):
    """Mean and deviation of every row, with links to the runs' reports.

    Args:
        group: `Group`.
        folder: `pathlib.Path`, the page's folder.
    """
    columns = texts.shown(group)
    ranks = texts.group_ranks(group)
    ranked = any(rank is not None for rank in ranks)
    headings = ["method", "variant", "n", *map(texts.heading, columns)]
    headings += ["rank"] if ranked else []
    rows = [
        [
            _name(row, folder),
            row.variant,
            str(len(row.seeds)),
            *(_spread(row, column) for column in columns),
            *([number(rank, scale=1.0, digits=2)] if ranked else []),
        ]
        for row, rank in zip(group.rows, ranks, strict=True)
    ]
    # The demo's sentence stands above, in a box.
    said = [n for n in notes.result_notes(group) if n != notes.DEMO]
    return join([table(headings, rows, class_="numbers"), _notes(said)])


def beside(group):
    """Differences to joint training and costs; empty without joint."""
    found = beside_joint(group)
    if not found:
        return Html("")
    headings = ["method", "seeds", "difference", "95 % interval", "p"]
    headings += ["p, Holm", "time", "passes (joint 1F 1B)"]
    rows = [
        [
            texts.row_name(one.row, group),
            str(len(one.difference.seeds)),
            number(one.difference.mean, digits=2, signed=True),
            _interval(one.difference),
            _probability(one.difference.p),
            _probability(one.p_holm),
            _times(one.time),
            one.passes or texts.NOTHING,
        ]
        for one in found
    ]
    return join(
        [
            tag("h3", "Beside joint training"),
            table(headings, rows, class_="numbers"),
            _notes(notes.beside_notes(found)),
        ]
    )


def paper(group):
    """The paper's table with our numbers; empty where nothing is printed."""
    found = paper_table(group)
    if found is None:
        return Html("")
    headings = ["method and settings"]
    for metric in found.metrics:
        headings += [f"{texts.metric_name(metric)}, printed", "ours"]
    rows = [
        [
            join([line.name, tag("small", line.note)]),
            *(
                cell
                for metric in found.metrics
                for cell in _printed(line.numbers.get(metric))
            ),
        ]
        for line in found.lines
    ]
    return join(
        [
            tag("h3", "The paper's tables, in %"),
            table(headings, rows, class_="published"),
            _notes(notes.paper_notes(group, found)),
        ]
    )


def _notes(sentences):
    return bullets([tag("small", sentence) for sentence in sentences])


def _name(row, folder):
    links = [_link(run, folder) for run in row.runs]
    return join([row.name, tag("small", "seed ", *links, class_="seeds")])


def _link(run, folder):
    seed = str(run.config["seed"])
    report = run.folder / "report.html"
    if not report.is_file():
        return f"{seed} "
    relative = pathlib.Path(os.path.relpath(report, folder)).as_posix()
    return join([tag("a", seed, href=urllib.parse.quote(relative)), " "])


def _spread(row, column):
    found = row.statistics(column.name)
    shown = {} if column.percent else {"scale": 1.0, "digits": 2}
    parts = [_spread_of(found, **shown)]
    if 0 < found["n"] < len(row.seeds):
        parts.append(f" (n={found['n']})")
    return join(parts)


def _spread_of(found, **shown):
    parts = [number(found["mean"], **shown)]
    if found["std"] is not None:
        width = [" ± ", number(found["std"], **shown)]
        parts.append(tag("span", *width, class_="spread"))
    if found.get("std_folds") is not None:
        width = [" (folds ± ", number(found["std_folds"], **shown), ")"]
        parts.append(tag("span", *width, class_="spread"))
    return join(parts)


def _interval(difference):
    if difference.p is None:
        return difference.reason
    low, high = (
        number(end, digits=2, signed=True)
        for end in (difference.low, difference.high)
    )
    return tag("span", "[", low, ", ", high, "]", class_="spread")


def _probability(p):
    return tag("data", texts.probability(p), value="" if p is None else repr(p))


def _times(ratio):
    if ratio is None:
        return texts.NOTHING
    return join([number(ratio, scale=1.0, digits=2), "×"])


def _printed(printed):
    if printed is None:
        return ["", ""]
    value = join([number(printed.value), f" [{printed.mark}]"])
    own = texts.NOTHING if printed.own is None else _spread_of(printed.own)
    return [value, own]
