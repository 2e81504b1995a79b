"""Points in the plane, coloured by class."""

import itertools

from keras_balance.reports import svg
from keras_balance.reports.figures.picture import MARKERS
from keras_balance.reports.figures.picture import Key
from keras_balance.reports.figures.picture import show

# Six colours in seven shapes: no two of this many classes look the same.
NAMES_UP_TO = 42


def scatter(title, points, labels, keys, across, up):
    """A map of points, each with the colour and shape of its class.

    Args:
        title: text above.
        points: (samples, 2) array.
        labels: (samples,) array of integers.
        keys: `Key`s of the classes, as `class_keys` gives them.
        across: text of the horizontal axis.
        up: text of the vertical axis.

    Returns:
        `Html`: a `<figure>`. The page says the legend once for all its maps;
        the file has its own.
    """
    figure, axes = svg.new_figure(4.6, 3.9)
    axes.spines[:].set(visible=True, color=svg.LINE)
    for label, key in enumerate(keys):
        own = points[labels == label]
        axes.plot(
            own[:, 0],
            own[:, 1],
            linestyle="",
            marker=key.shape,
            markersize=3.6,
            markeredgewidth=0,
            color=svg.series(key.color),
            alpha=0.75,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(across, color=svg.MUTED)
    axes.set_ylabel(up, color=svg.MUTED)
    named = keys if len(keys) <= NAMES_UP_TO else []
    return show(title, figure, alone=f"Features, {title}", shared=named)


def class_keys(class_names):
    """A `Key` for each class: neighbours differ in colour and in shape.

    The numbers of colours and shapes have no common factor, so that all pairs
    come before one is repeated.
    """
    looks = zip(
        itertools.cycle(MARKERS), itertools.cycle(range(len(svg.SERIES)))
    )
    return [
        Key(str(name), color, marker)
        for name, (marker, color) in zip(class_names, looks, strict=False)
    ]
