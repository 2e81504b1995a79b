"""How far two modalities' features are apart."""

import numpy as np


def representation_gap(first_features, second_features):
    """Distance of the centroids of the features scaled to length 1.

    The modality gap of Liang et al., "Mind the Gap", NeurIPS 2022. Each row
    is divided by its length; a row of zeros stays as it is.

    Args:
        first_features: floats `(samples, ...)`, flattened to rows.
        second_features: floats of as many values a row.

    Returns:
        A float in [0, 2].

    Raises:
        ValueError: if an array is empty or not finite, or if the rows have
            different lengths.
    """
    first = _centroid(first_features, "first_features")
    second = _centroid(second_features, "second_features")
    if first.shape != second.shape:
        raise ValueError(
            "Expected features of one dimension. Received: "
            f"{first.size} and {second.size} values a row"
        )
    return float(np.linalg.norm(first - second))


def _centroid(features, name):
    features = np.asarray(features, dtype="float64")
    if features.ndim < 2 or not features.size:
        raise ValueError(
            f"Expected `{name}` of shape (samples, dim), neither of them 0. "
            f"Received: {name}.shape={features.shape}"
        )
    if not np.isfinite(features).all():
        raise ValueError(
            f"Expected finite `{name}`. Received: NaN or infinite values"
        )
    features = features.reshape(len(features), -1)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.where(lengths > 0, lengths, 1.0)).mean(axis=0)
