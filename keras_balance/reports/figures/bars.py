"""Horizontal bars, beside one another or stacked."""

import dataclasses

import numpy as np
from matplotlib.ticker import MaxNLocator

from keras_balance.reports import svg
from keras_balance.reports.figures.axes import percent
from keras_balance.reports.figures.picture import Key
from keras_balance.reports.figures.picture import show
from keras_balance.reports.page import Html


@dataclasses.dataclass(frozen=True)
class Bars:
    """One bar for each row of the figure.

    Args:
        name: text of the legend.
        values: a number or None for each row.
        color: index of a colour; a list of them, one a row; None is the ink.
        pale: whether it is drawn half transparent.
        errors: half lengths of a whisker, or None for each row without one.
    """

    name: str
    values: list
    color: int | list | None = None
    pale: bool = False
    errors: list | None = None


def bars(title, rows, series, stacked=False, unit="%", alone="", class_=""):
    """A figure of horizontal bars with title and legend.

    Args:
        title: text above.
        rows: names of the rows, from top to bottom.
        series: list of `Bars`.
        stacked: whether the bars of a row follow one another; those below 0
            go to the left of 0.
        unit: `"%"` shows shares in percent.
        alone: the title outside the page, where `title` says too little.
        class_: CSS class of the `<figure>`.

    Returns:
        `Html`: a `<figure>`, or nothing where there is nothing to draw.
    """
    if not any(value is not None for bar in series for value in bar.values):
        return Html("")
    thick = 0.3 if stacked else 0.17 * len(series) + 0.1
    figure, axes = svg.new_figure(
        6.2 if class_ == "wide" else 4.6, 0.55 + thick * len(rows)
    )
    axes.grid(axis="x", color=svg.LINE, linewidth=0.7)
    axes.axvline(0.0, color=svg.MUTED, linewidth=0.8, zorder=4)
    (_stack if stacked else _side_by_side)(axes, series)
    axes.set_yticks(range(len(rows)), list(map(svg.plain, rows)))
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.tick_params(axis="y", labelcolor=svg.INK)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if unit == "%":
        percent(axes.xaxis)
    return show(title, figure, _keys(series), alone, class_=class_)


def _numbers(values):
    return np.array([0.0 if v is None else v for v in values])


def _colors(bar):
    if isinstance(bar.color, list):
        return [svg.series(index) for index in bar.color]
    return svg.series(bar.color)


def _draw(axes, places, bar, thick, left=0.0):
    axes.barh(
        places,
        _numbers(bar.values),
        height=thick,
        left=left,
        color=_colors(bar),
        alpha=0.45 if bar.pale else 1.0,
        linewidth=0,
        zorder=3,
    )


def _side_by_side(axes, series):
    thick = 0.8 / len(series)
    for index, bar in enumerate(series):
        places = np.arange(len(bar.values)) + (index + 0.5) * thick - 0.4
        _draw(axes, places, bar, 0.88 * thick)
        for place, value, error in zip(
            places, bar.values, bar.errors or [], strict=False
        ):
            if error is not None:
                ends = [value - error, value + error]
                axes.plot(
                    ends, [place] * 2, color=svg.INK, linewidth=1, zorder=4
                )


def _stack(axes, series):
    right = np.zeros(len(series[0].values))
    left = np.zeros_like(right)
    for bar in series:
        values = _numbers(bar.values)
        start = np.where(values < 0, left, right)
        _draw(axes, np.arange(len(values)), bar, 0.68, start)
        right += np.maximum(values, 0.0)
        left += np.minimum(values, 0.0)


def _keys(series):
    if len(series) == 1:
        return []
    return [
        Key(
            bar.name,
            None if isinstance(bar.color, list) else bar.color,
            "pale" if bar.pale else "box",
        )
        for bar in series
    ]
