"""Matplotlib figures as SVG that takes its colours from the page.

A figure is drawn with placeholder colours; in the SVG each is replaced by a
CSS variable, so that one picture serves light, dark and print.
"""

import io
import re

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from keras_balance.evaluation.page import Html
from keras_balance.evaluation.page import escape

INK = "#010101"
MUTED = "#010102"
LINE = "#010103"
PAPER = "#010104"
_NAMES = {INK: "ink", MUTED: "muted", LINE: "line", PAPER: "paper"}
_SERIES = 6

_STYLE = {
    "font.size": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "keras-balance",
    "text.color": INK,
}
# Matplotlib writes none of its own metadata when all of it is None.
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def series(index):
    """The placeholder of the colour number `index`; they repeat after six."""
    return f"#0102{index % _SERIES:02x}"


def variable(index):
    """The CSS colour that `series(index)` becomes; None is the ink."""
    if index is None:
        return "var(--ink)"
    return f"var(--series-{index % _SERIES})"


def new_figure(width, height):
    """An empty figure without a background and its axes, size in inches."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
    axes.patch.set_visible(False)
    axes.tick_params(colors=MUTED, length=0, pad=4)
    axes.spines[:].set_visible(False)
    return figure, axes


def render(figure, label, prefix):
    """The figure as inline SVG.

    Args:
        figure: a figure of `new_figure`.
        label: text read instead of the picture.
        prefix: put before every id, unique in the page.

    Returns:
        `Html`.
    """
    text = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    for color, name in _NAMES.items():
        svg = svg.replace(color, f"var(--{name})")
    for index in range(_SERIES):
        svg = svg.replace(series(index), variable(index))
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    # The first two are the picture's own size: the page decides that.
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    name = f'<svg role="img" aria-label="{escape(label)}"'
    return Html(svg.replace("<svg", name, 1))
