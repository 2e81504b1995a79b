"""The comparison as a page that opens offline."""

import pathlib

from keras_balance.atomic import write_text
from keras_balance.reports.comparison import sections
from keras_balance.reports.comparison.figures import comparison_figures
from keras_balance.reports.comparison.notes import DEMO
from keras_balance.reports.comparison.text import title as group_title
from keras_balance.reports.figures.picture import write_all
from keras_balance.reports.page import Html
from keras_balance.reports.page import page
from keras_balance.reports.page import section
from keras_balance.reports.page import tag


def write_page(comparison, path):
    """Writes the page of a `Comparison`; returns its path.

    Its pictures are also written into the folder `<name>-figures` beside it.
    """
    path = pathlib.Path(path)
    recipes = dict.fromkeys(group.recipe for group in comparison.groups)
    title = f"Comparison: {', '.join(recipes)}"
    notes = [tag("p", note, class_="lead") for note in comparison.notes]
    groups = (_group(g, path.parent) for g in comparison.groups)
    content = page(title, tag("header", tag("h1", title), *notes), *groups)
    write_all(content, path.with_name(f"{path.stem}-figures"), title)
    write_text(path, content)
    return path


def _group(group, folder):
    note = Html("")
    if group.demo:
        note = tag("div", tag("p", DEMO), class_="note")
    return section(
        group_title(group),
        note,
        sections.results(group, folder),
        comparison_figures(group),
        sections.beside(group),
        sections.paper(group),
        lead="Test split.",
    )
