"""A reliability diagram."""

import numpy as np

from keras_balance.reports import svg
from keras_balance.reports.figures.axes import percent
from keras_balance.reports.figures.picture import show


def reliability(name, curve, color=None, error=None):
    """Accuracy against confidence by bin, over the samples of each bin.

    Args:
        name: of the prediction.
        curve: list of dicts `{"low", "high", "count", "confidence",
            "accuracy"}`, one a bin.
        color: index of a modality's colour, or None for the fused prediction.
        error: the expected calibration error, or None where it is not known.

    Returns:
        `Html`: a `<figure>`.
    """
    figure, top, bottom = svg.new_figure(3.5, 3.6, heights=(3, 1))
    filled = [bin_ for bin_ in curve if bin_["count"]]
    low = np.array([bin_["low"] for bin_ in curve])
    width = np.array([bin_["high"] for bin_ in curve]) - low
    top.grid(color=svg.LINE, linewidth=0.7)
    top.plot([0, 1], [0, 1], color=svg.MUTED, linewidth=0.8, linestyle=":")
    top.bar(
        low,
        [bin_["accuracy"] or 0.0 for bin_ in curve],
        width=0.92 * width,
        align="edge",
        color=svg.series(color),
        alpha=0.45,
        linewidth=0,
    )
    top.plot(
        [bin_["confidence"] for bin_ in filled],
        [bin_["accuracy"] for bin_ in filled],
        color=svg.series(color),
        linewidth=1.4,
        marker="o",
        markersize=3,
    )
    bottom.bar(
        low,
        [bin_["count"] for bin_ in curve],
        width=0.92 * width,
        align="edge",
        color=svg.MUTED,
        linewidth=0,
    )
    _label(top, bottom)
    title = name if error is None else f"{name}, ECE {100 * error:.1f} %"
    return show(title, figure, alone=f"Reliability, {name}")


def _label(top, bottom):
    top.set_xlim(0.0, 1.0)
    top.set_ylim(0.0, 1.0)
    percent(top.xaxis)
    percent(top.yaxis)
    top.set_ylabel("accuracy", color=svg.MUTED)
    bottom.set_ylabel("samples", color=svg.MUTED)
    bottom.set_xlabel("confidence", color=svg.MUTED)
    bottom.locator_params(axis="y", nbins=3)
