"""Features in two dimensions, for a picture."""

import dataclasses

import numpy as np

_POINTS = 1000


@dataclasses.dataclass(frozen=True)
class FeatureMap:
    """Features on their first two principal axes.

    Args:
        rows: indices of the samples drawn, in order.
        points: (drawn, 2) array.
        shares: of the variance of these samples, that of each axis.
    """

    rows: np.ndarray
    points: np.ndarray
    shares: tuple


def feature_map(features):
    """Principal components of the features of at most 1000 samples.

    Of more samples 1000 are drawn with a fixed seed. The sign of an axis is
    such that its largest weight is positive.

    Args:
        features: (samples, ...) array; what is not a vector is flattened.

    Returns:
        A `FeatureMap`; None where the features have fewer than two samples
        or two dimensions, are not all finite, or do not vary.
    """
    rows = np.arange(len(features))
    if len(rows) > _POINTS:
        chosen = np.random.default_rng(0).permutation(len(rows))[:_POINTS]
        rows = np.sort(chosen)
    flat = np.asarray(features, dtype="float64")[rows].reshape(len(rows), -1)
    if min(flat.shape) < 2 or not np.isfinite(flat).all():
        return None
    flat = flat - flat.mean(axis=0)
    _, scale, axes = np.linalg.svd(flat, full_matrices=False)
    variance = scale**2
    if variance.sum() <= 0:
        return None
    axes = axes[:2]
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[[0, 1], largest])[:, None]
    shares = tuple(float(s) for s in variance[:2] / variance.sum())
    return FeatureMap(rows, flat @ axes.T, shares)
