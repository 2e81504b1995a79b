"""How often a classifier is right, by how sure it is."""

import numpy as np

from keras_balance.metrics.checks import check_labels_and_probabilities


def reliability_curve(labels, probabilities, bins=15):
    """Accuracy and mean confidence in bins of equal width.

    The confidence of a sample is its highest probability. A bin is the
    half-open interval (low, high], as in Guo et al., "On Calibration of
    Modern Neural Networks", ICML 2017.

    Args:
        labels: integers of shape `(samples,)`.
        probabilities: floats of shape `(samples, classes)`, rows sum to 1.
        bins: integer, 1 or more.

    Returns:
        A list of `bins` dicts, from unsure to sure: `low`, `high`; `count`,
        the samples in it; `confidence`, their mean confidence, and
        `accuracy`. An empty bin has count 0 and None for the other two.

    Raises:
        ValueError: for labels and scores that `accuracy` refuses, for rows
            that are no probabilities, or if `bins` is no positive integer.
    """
    labels, probabilities = check_labels_and_probabilities(
        labels, probabilities
    )
    if not isinstance(bins, int | np.integer) or bins < 1:
        raise ValueError(f"Expected `bins` of 1 or more. Received: bins={bins}")
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0.0, 1.0, bins + 1)
    # Inner edges alone: rounding may leave a confidence just above 1.
    places = np.searchsorted(edges[1:-1], confidence, side="left")
    return [
        {
            "low": float(edges[place]),
            "high": float(edges[place + 1]),
            **_bin(confidence[places == place], correct[places == place]),
        }
        for place in range(bins)
    ]


def _bin(confidence, correct):
    if not len(correct):
        return {"count": 0, "confidence": None, "accuracy": None}
    return {
        "count": len(correct),
        "confidence": float(confidence.mean()),
        "accuracy": float(correct.mean()),
    }
