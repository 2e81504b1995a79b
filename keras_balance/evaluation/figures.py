"""The pictures of the report and of the comparison."""

import dataclasses

import matplotlib.colors
import numpy as np
from matplotlib.ticker import MaxNLocator
from matplotlib.ticker import PercentFormatter

from keras_balance.evaluation import svg
from keras_balance.evaluation.page import Html
from keras_balance.evaluation.page import bullets
from keras_balance.evaluation.page import join
from keras_balance.evaluation.page import tag

# A picture is inked, not themed, where it is made of pixels: colours that
# show on white and on near-black.
_FUSED = "#5a6673"
_MAPS = ("#1a6fa8", "#b8500f", "#0b7a5b", "#9c4277", "#7a6c0a", "#4660b4")
COUNTS_UP_TO = 16
_NAMES_UP_TO = 40


@dataclasses.dataclass(frozen=True)
class Line:
    """One curve.

    Args:
        name: text of the legend.
        values: a number or None for each epoch.
        color: index of a modality's colour; None is the ink, for the fused
            prediction.
        dashed: whether it is a training curve beside a validation curve.
    """

    name: str
    values: list
    color: int | None = None
    dashed: bool = False


def curves(title, epochs, lines, selected=None, unit="", level=None):
    """A figure of curves over the epochs, with title and legend.

    Args:
        title: text above.
        epochs: list of epoch numbers as shown, from 1.
        lines: list of `Line`.
        selected: epoch marked by a vertical line, or None.
        unit: `"%"` shows shares in percent.
        level: a value marked by a horizontal line, or None.

    Returns:
        `Html`: a `<figure>`, or nothing where there is nothing to draw.
    """
    drawn = [line for line in lines if _finite(line.values).size]
    if not drawn:
        return Html("")
    figure, axes = svg.new_figure(4.6, 2.5)
    axes.grid(axis="y", color=svg.LINE, linewidth=0.7)
    if level is not None:
        axes.axhline(level, color=svg.MUTED, linewidth=0.8)
    if selected is not None:
        axes.axvline(selected, color=svg.MUTED, linewidth=0.8, linestyle=":")
    for line in drawn:
        axes.plot(
            epochs,
            np.array(line.values, dtype="float64"),
            color=svg.INK if line.color is None else svg.series(line.color),
            linewidth=1.2 if line.dashed else 1.7,
            linestyle=(0, (4, 2)) if line.dashed else "-",
            marker="o" if len(epochs) <= 12 else None,
            markersize=2.6,
            zorder=2.5 if line.dashed else 3,
        )
    _scale(axes, drawn, unit)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if len(epochs) == 1:
        axes.set_xticks(epochs)
    axes.set_xlabel("epoch", color=svg.MUTED, loc="right")
    return _captioned(title, figure, _legend(drawn))


def confusion(title, counts, class_names, color=None):
    """A confusion matrix: shade is the share of the true class.

    Args:
        title: text above.
        counts: C x C list of integers, rows are true classes.
        class_names: C names.
        color: index of a modality's colour, or None for the fused prediction.

    Returns:
        `Html`: a `<figure>`.
    """
    counts = np.array(counts)
    classes = len(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    small = classes <= COUNTS_UP_TO
    figure, axes = svg.new_figure(*((3.5, 3.3) if small else (5.6, 5.3)))
    base = _FUSED if color is None else _MAPS[color % len(_MAPS)]
    pixels = np.empty((classes, classes, 4))
    pixels[..., :3] = matplotlib.colors.to_rgb(base)
    pixels[..., 3] = 0.05 + 0.95 * share
    axes.imshow(pixels, interpolation="none", aspect="equal")
    if small:
        _write_counts(axes, counts, share)
    ticks = range(classes) if classes <= _NAMES_UP_TO else []
    names = [str(name) for name in class_names] if ticks else []
    upright = classes * max(map(len, names), default=0) > 36
    axes.set_xticks(ticks, names, rotation=90 if upright else 0)
    axes.set_yticks(ticks, names)
    if not small:
        axes.tick_params(labelsize=6)
    axes.set_xlabel("predicted", color=svg.MUTED)
    axes.set_ylabel("true", color=svg.MUTED)
    return _captioned(title, figure, "")


def spread(title, rows, key):
    """Each seed's accuracy as a dot, and their mean as a bar.

    Args:
        title: text above.
        rows: list of (name, list of shares).
        key: text that no other figure of the page has.

    Returns:
        `Html`: a `<figure>`.
    """
    figure, axes = svg.new_figure(6.2, 0.75 + 0.3 * len(rows))
    axes.grid(axis="x", color=svg.LINE, linewidth=0.7)
    for place, (_, values) in enumerate(rows):
        axes.scatter(
            values,
            [place] * len(values),
            s=22,
            color=svg.series(0),
            alpha=0.55,
            linewidths=0,
            zorder=3,
        )
        axes.plot(
            [np.mean(values)] * 2,
            [place - 0.3, place + 0.3],
            color=svg.INK,
            linewidth=1.8,
            zorder=4,
        )
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", labelcolor=svg.INK)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    return _captioned(title, figure, "", key, class_="wide")


def _finite(values):
    values = np.array(values, dtype="float64")
    return values[np.isfinite(values)]


def _scale(axes, lines, unit):
    """Linear, from 0 for shares; logarithmic where values span decades."""
    values = np.concatenate([_finite(line.values) for line in lines])
    if unit == "%":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_ylim(0.0, min(1.0, 1.1 * max(values.max(), 0.05)))
    elif values.min() > 0 and values.max() > 50 * values.min():
        axes.set_yscale("log")
    axes.tick_params(which="both", length=0, labelcolor=svg.MUTED)


def _write_counts(axes, counts, share):
    size = 8 if len(counts) <= 8 else 6.5
    for (row, column), count in np.ndenumerate(counts):
        if count:
            dark = share[row, column] > 0.85
            axes.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                fontsize=size,
                color="#ffffff" if dark else svg.INK,
            )


def _legend(lines):
    items = [
        join(
            [
                tag(
                    "i",
                    class_="key dashed" if line.dashed else "key",
                    style=f"--color: {svg.variable(line.color)}",
                ),
                line.name,
            ]
        )
        for line in lines
    ]
    return bullets(items, class_="legend")


def _captioned(title, figure, legend, key="", class_=""):
    letters = f"{title} {key}".strip().lower()
    prefix = "".join(c if c.isalnum() else "-" for c in letters)
    picture = svg.render(figure, title, prefix)
    caption = tag("figcaption", tag("h3", title), legend)
    return tag("figure", caption, picture, class_=class_)
