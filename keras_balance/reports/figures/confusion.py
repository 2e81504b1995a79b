"""A confusion matrix."""

import matplotlib.colors
import numpy as np

from keras_balance.reports import svg
from keras_balance.reports.figures.picture import show

# A picture is inked, not themed, where it is made of pixels: colours that
# show on white and on near-black.
_FUSED = "#5a6673"
_MAPS = ("#1a6fa8", "#b8500f", "#0b7a5b", "#9c4277", "#7a6c0a", "#4660b4")
COUNTS_UP_TO = 16
_NAMES_UP_TO = 40


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
    names = [svg.plain(name) for name in class_names] if ticks else []
    upright = classes * max(map(len, names), default=0) > 36
    axes.set_xticks(ticks, names, rotation=90 if upright else 0)
    axes.set_yticks(ticks, names)
    if not small:
        axes.tick_params(labelsize=6)
    axes.set_xlabel("predicted", color=svg.MUTED)
    axes.set_ylabel("true", color=svg.MUTED)
    return show(title, figure, alone=f"Confusion, {title}")


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
