"""The tables of a comparison as plain text, for every format but the page."""

import dataclasses

from keras_balance.reports.comparison.baseline import beside_joint
from keras_balance.reports.comparison.notes import beside_notes
from keras_balance.reports.comparison.notes import paper_notes
from keras_balance.reports.comparison.notes import result_notes
from keras_balance.reports.comparison.published import paper_table
from keras_balance.reports.comparison.ranks import mean_ranks

NOTHING = "–"


@dataclasses.dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Args:
        title: line above.
        headings: list of texts, the first one over the names.
        rows: list of lists of texts.
        notes: list of sentences below.
        names: how many columns name the row; the others hold numbers.
    """

    title: str
    headings: list
    rows: list
    notes: list
    names: int = 1


def text_tables(group):
    """The `TextTable`s of a `Group`: results, beside joint, the paper's."""
    made = (_results(group), _beside(group), _paper(group))
    return [table for table in made if table is not None]


def group_ranks(group):
    """The mean rank of every row of a `Group`, or None for each."""
    return mean_ranks([row.by_seed("accuracy") for row in group.rows])


def shown(group):
    """The columns that tables show: data files have more."""
    return [column for column in group.columns if column.printed]


def heading(column):
    """A column's heading with its unit."""
    return f"{column.heading}, %" if column.percent else column.heading


def spread(found, percent=True, runs=None):
    """`Row.statistics` as text: `"61.9 ± 1.2"`.

    Args:
        found: `{"mean", "std", "n"}`.
        percent: whether shares are shown in percent.
        runs: the number of the row's runs; another n is then said.
    """
    if found is None or found["mean"] is None:
        return NOTHING
    scale, digits = (100, 1) if percent else (1, 2)
    text = f"{scale * found['mean']:.{digits}f}"
    if found["std"] is not None:
        text += f" ± {scale * found['std']:.{digits}f}"
    if found.get("std_folds") is not None:
        text += f" (folds ± {scale * found['std_folds']:.{digits}f})"
    # A modality's metric may be missing in some runs: then n is another.
    return text if runs in (None, found["n"]) else f"{text} (n={found['n']})"


def _results(group):
    columns = shown(group)
    ranks = group_ranks(group)
    ranked = any(rank is not None for rank in ranks)
    headings = ["method", "n", *(column.heading for column in columns)]
    rows = []
    for row, rank in zip(group.rows, ranks, strict=True):
        cells = [
            spread(row.statistics(c.name), c.percent, len(row.seeds))
            for c in columns
        ]
        rows.append([row_name(row, group), str(len(row.seeds)), *cells])
        if ranked:
            rows[-1].append(NOTHING if rank is None else f"{rank:.2f}")
    return TextTable(
        f"{title(group)}: test split, in %",
        headings + (["rank"] if ranked else []),
        rows,
        result_notes(group),
    )


def title(group):
    """The group's title, with its variant where it has one alone."""
    variants = {row.variant for row in group.rows}
    if len(variants) > 1:
        return group.title
    return f"{group.title}, variant {variants.pop()}"


def row_name(row, group):
    """The row's name, with its variant where the title cannot say it."""
    variants = {other.variant for other in group.rows}
    return f"{row.name}, {row.variant}" if len(variants) > 1 else row.name


def _beside(group):
    found = beside_joint(group)
    if not found:
        return None
    headings = ["method", "common seeds", "difference", "95 % interval"]
    headings += ["p", "p, Holm", "time", "passes (joint 1F 1B)"]
    rows = [
        [
            row_name(one.row, group),
            str(len(one.difference.seeds)),
            points(one.difference.mean),
            interval(one.difference),
            probability(one.difference.p),
            probability(one.p_holm),
            NOTHING if one.time is None else f"{one.time:.2f}×",
            one.passes or NOTHING,
        ]
        for one in found
    ]
    text = f"{title(group)}: beside joint training"
    return TextTable(text, headings, rows, beside_notes(found))


def points(value):
    """A difference of shares in percentage points, signed."""
    # Two digits: with one, an end below zero could look like zero.
    return NOTHING if value is None else f"{100 * value:+.2f}"


def interval(difference):
    """The interval of a `Paired`, or why there is none."""
    if difference.p is None:
        return difference.reason
    return f"[{points(difference.low)}, {points(difference.high)}]"


def probability(p):
    """A p-value for reading."""
    if p is None:
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _paper(group):
    paper = paper_table(group)
    return None if paper is None else paper_text(group, paper)


def paper_text(group, paper):
    """A `PaperTable` as a `TextTable`."""
    headings = ["method and settings", "table"]
    for metric in paper.metrics:
        headings += [f"{metric_name(metric)}, printed", "ours"]
    rows = []
    for line in paper.lines:
        cells = [line.name, line.note]
        for metric in paper.metrics:
            printed = line.numbers.get(metric)
            cells += ["", ""] if printed is None else _printed(printed)
        rows.append(cells)
    text = f"{group.recipe}: the paper's tables, in %"
    notes = paper_notes(group, paper)
    return TextTable(text, headings, rows, notes, names=2)


def metric_name(metric):
    """A published metric as a table heads it."""
    return {"map": "mAP", "macro_f1": "macro F1"}.get(metric, metric)


def _printed(printed):
    text = f"{100 * printed.value:.1f} [{printed.mark}]"
    return [text, spread(printed.own)]
