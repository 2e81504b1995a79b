"""The comparison as a page that opens offline."""

import os
import pathlib
import urllib.parse

from keras_balance.evaluation import figures
from keras_balance.evaluation.page import Html
from keras_balance.evaluation.page import join
from keras_balance.evaluation.page import number
from keras_balance.evaluation.page import page
from keras_balance.evaluation.page import section
from keras_balance.evaluation.page import table
from keras_balance.evaluation.page import tag
from keras_balance.evaluation.run import METRICS
from keras_balance.runs.folder import write_text

_LEAD = (
    "Test split. Mean ± standard deviation over seeds (n - 1 in the "
    "denominator); a single seed has no deviation."
)
_DEMO = (
    "These are demonstration runs on a small generated data set: the numbers "
    "say nothing about the methods."
)


def write_page(comparison, path):
    """Writes the page of a `Comparison`; returns its path."""
    path = pathlib.Path(path)
    recipes = dict.fromkeys(group.recipe for group in comparison.groups)
    title = f"Comparison: {', '.join(recipes)}"
    groups = (_group(g, path.parent) for g in comparison.groups)
    content = page(title, tag("header", tag("h1", title)), *groups)
    write_text(path, content)
    return path


def _group(group, folder):
    note = Html("")
    if group.demo:
        note = tag("div", tag("p", _DEMO), class_="note")
    headings = ["method", "variant", "n"]
    headings += [f"{_heading(metric)}, %" for metric in group.metrics]
    rows = [_row(row, group.metrics, folder) for row in group.rows]
    accuracies = [(row.name, row.values("accuracy")) for row in group.rows]
    return section(
        group.title,
        note,
        table(headings, rows, class_="numbers"),
        _differences("Rows differ in", group.varied),
        _differences("Versions differ in", group.versions),
        figures.spread("Test accuracy of each seed", accuracies, group.title),
        lead=_LEAD,
    )


def _row(row, metrics, folder):
    links = [_link(run, folder) for run in row.runs]
    name = join([row.name, tag("small", "seed ", *links, class_="seeds")])
    cells = [_cell(row, metric) for metric in metrics]
    return [name, row.variant, str(len(row.runs)), *cells]


def _cell(row, metric):
    found = row.statistics(metric)
    parts = [number(found["mean"])]
    if found["std"] is not None:
        spread = [" ± ", number(found["std"])]
        parts.append(tag("span", *spread, class_="spread"))
    if 0 < found["n"] < len(row.runs):
        parts.append(f" (n={found['n']})")
    return join(parts)


def _link(run, folder):
    seed = str(run.config["seed"])
    report = run.folder / "report.html"
    if not report.is_file():
        return f"{seed} "
    relative = pathlib.Path(os.path.relpath(report, folder)).as_posix()
    return join([tag("a", seed, href=urllib.parse.quote(relative)), " "])


def _heading(metric):
    modality, _, rest = metric.rpartition("_")
    return METRICS.get(metric) or f"{modality} {rest}"


def _differences(words, found):
    if not found:
        return Html("")
    texts = [f"{k} ({', '.join(values)})" for k, values in found.items()]
    return tag("p", f"{words} {'; '.join(texts)}.", class_="lead")
