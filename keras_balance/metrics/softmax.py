"""Logits to probabilities."""

import numpy as np

from keras_balance.metrics.checks import check_scores


def softmax(logits):
    """Softmax over the classes, in float64.

    Args:
        logits: floats of shape `(samples, classes)`, finite.

    Returns:
        float64 array of the same shape; every row sums to 1.

    Raises:
        ValueError: if `logits` is empty, has another rank or is not finite.
    """
    logits = check_scores(logits)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
