"""Matplotlib figures as SVG that takes its colours from the page.

A figure is drawn in the colours of the light page. In the page's SVG each is
replaced by the CSS variable of that name, so that one picture serves light,
dark and print; a file of its own keeps the colours.
"""

import io
import re

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from keras_balance.reports.page import Html
from keras_balance.reports.page import escape

# As in page.css, each another: a colour is found again by its value.
INK = "#1b1f24"
MUTED = "#5b6570"
LINE = "#dfe3e8"
SERIES = ("#0072b2", "#c8540a", "#00805e", "#a8437f", "#7a6a00", "#3b5bb5")
_NAMES = {INK: "ink", MUTED: "muted", LINE: "line"} | {
    color: f"series-{index}" for index, color in enumerate(SERIES)
}

STYLE = {
    "font.size": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "keras-balance",
    "text.color": INK,
}
# Matplotlib writes none of its own metadata when all of it is None.
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def series(index):
    """The colour number `index`, repeated after six; None is the ink."""
    return INK if index is None else SERIES[index % len(SERIES)]


def variable(index):
    """The page's name of `series(index)`."""
    return f"var(--{_NAMES[series(index)]})"


def plain(text):
    """A text that Matplotlib shall not read as a formula."""
    return str(text).replace("$", r"\$")


def new_figure(width, height, heights=(1,)):
    """An empty figure without a background, size in inches.

    Args:
        width: of the figure.
        height: of the figure.
        heights: relative heights of axes that share the horizontal axis.

    Returns:
        The figure, and its axes from top to bottom.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        found = figure.subplots(
            len(heights), sharex=True, squeeze=False, height_ratios=heights
        )[:, 0]
    for axes in found:
        axes.patch.set_visible(False)
        axes.set_axisbelow(True)
        axes.tick_params(colors=MUTED, length=0, pad=4)
        axes.spines[:].set_visible(False)
    return figure, *found


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
    with matplotlib.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata=NO_METADATA)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    for color, name in _NAMES.items():
        svg = svg.replace(color, f"var(--{name})")
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    # The first two are the picture's own size: the page decides that.
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    name = f'<svg role="img" aria-label="{escape(label)}"'
    return Html(svg.replace("<svg", name, 1))
