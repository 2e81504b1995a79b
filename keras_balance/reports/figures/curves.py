"""Curves over the epochs, or over another quantity."""

import dataclasses

import numpy as np
from matplotlib.ticker import MaxNLocator

from keras_balance.reports import svg
from keras_balance.reports.figures.axes import percent
from keras_balance.reports.figures.picture import Key
from keras_balance.reports.figures.picture import show
from keras_balance.reports.page import Html


@dataclasses.dataclass(frozen=True)
class Line:
    """One curve.

    Args:
        name: text of the legend.
        values: a number or None for each epoch.
        color: index of a modality's colour; None is the ink, for the fused
            prediction.
        dashed: whether it is a training curve beside a validation curve.
        across: where its values are, unless the figure's other lines share
            the same places.
    """

    name: str
    values: list
    color: int | None = None
    dashed: bool = False
    across: list | None = None


def curves(
    title,
    epochs,
    lines,
    selected=None,
    unit="",
    level=None,
    across="epoch",
    alone="",
    class_="",
):
    """A figure of curves, with title and legend.

    Args:
        title: text above.
        epochs: list of epoch numbers as shown, from 1, or of other places.
        lines: list of `Line`.
        selected: epoch marked by a vertical line, or None.
        unit: `"%"` shows shares in percent.
        level: a value marked by a horizontal line, or None.
        across: what the horizontal axis shows; `"%"` at its end shows shares
            in percent.
        alone: the title outside the page, where `title` says too little.
        class_: CSS class of the `<figure>`; `"wide"` for more than a column.

    Returns:
        `Html`: a `<figure>`, or nothing where there is nothing to draw.
    """
    drawn = [line for line in lines if _finite(line.values).size]
    if not drawn:
        return Html("")
    figure, axes = svg.new_figure(6.2 if class_ == "wide" else 4.6, 2.5)
    axes.grid(axis="y", color=svg.LINE, linewidth=0.7)
    if level is not None:
        axes.axhline(level, color=svg.MUTED, linewidth=0.8)
    if selected is not None:
        axes.axvline(selected, color=svg.MUTED, linewidth=0.8, linestyle=":")
    for line in drawn:
        _plot(axes, line, epochs)
    _scale(axes, drawn, unit)
    if across == "epoch":
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if across.endswith("%"):
        percent(axes.xaxis)
        across = across.removesuffix("%").rstrip(", ")
    if len(epochs) == 1:
        axes.set_xticks(epochs)
    axes.set_xlabel(across, color=svg.MUTED, loc="right")
    keys = [
        Key(line.name, line.color, "dashed" if line.dashed else "line")
        for line in drawn
    ]
    return show(title, figure, keys, alone, class_=class_)


def _plot(axes, line, epochs):
    places = np.array(epochs if line.across is None else line.across)
    values = np.array(line.values, dtype="float64")
    # What is measured every few epochs is one curve, not dots between gaps.
    known = np.isfinite(values)
    places, values = places[known], values[known]
    axes.plot(
        places,
        values,
        color=svg.series(line.color),
        linewidth=1.2 if line.dashed else 1.7,
        linestyle=(0, (4, 2)) if line.dashed else "-",
        marker="o" if len(places) <= 12 else None,
        markersize=2.6,
        zorder=2.5 if line.dashed else 3,
    )


def _finite(values):
    values = np.array(values, dtype="float64")
    return values[np.isfinite(values)]


def _scale(axes, lines, unit):
    """Linear, from 0 for shares; logarithmic where values span decades."""
    values = np.concatenate([_finite(line.values) for line in lines])
    if unit == "%":
        percent(axes.yaxis)
        axes.set_ylim(0.0, min(1.0, 1.1 * max(values.max(), 0.05)))
    elif values.min() > 0 and values.max() > 50 * values.min():
        axes.set_yscale("log")
    axes.tick_params(which="both", length=0, labelcolor=svg.MUTED)
