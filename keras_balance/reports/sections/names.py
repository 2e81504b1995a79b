"""Names as the tables of a report show them."""

from keras_balance.reports import svg
from keras_balance.reports.page import join
from keras_balance.reports.page import tag


def labelled(name, color):
    """A name after a line in its colour, as in the figures."""
    style = f"--color: {svg.variable(color)}"
    return join([tag("i", class_="key", style=style), name])


def together(names):
    """`audio and visual`; `none of them` for none."""
    *first, last = names or ["none of them"]
    return f"{', '.join(first)} and {last}" if first else last
