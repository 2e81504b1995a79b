"""Each seed's number, and their mean."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from keras_balance.reports import svg
from keras_balance.reports.figures.axes import percent
from keras_balance.reports.figures.picture import show


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
    axes.set_yticks(range(len(rows)), [svg.plain(name) for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", labelcolor=svg.INK)
    percent(axes.xaxis)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    return show(title, figure, alone=f"{title}: {key}", class_="wide")
