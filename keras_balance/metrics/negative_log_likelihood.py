"""Negative log-likelihood, the mean cross-entropy."""

import numpy as np

from keras_balance.metrics.checks import check_labels_and_probabilities


def negative_log_likelihood(labels, probabilities):
    """Mean of -log of the probability of the true class, in nats.

    A probability of 0 counts as the smallest normal float64, 2.2e-308, so
    that one sample costs at most 708.4 and the mean is finite.

    Args:
        labels: integers of shape `(samples,)`.
        probabilities: floats of shape `(samples, classes)`, rows sum to 1.

    Returns:
        A float, 0 or more.

    Raises:
        ValueError: for labels and scores that `accuracy` refuses, or for
            rows that are no probabilities.
    """
    labels, probabilities = check_labels_and_probabilities(
        labels, probabilities
    )
    true = probabilities[np.arange(len(labels)), labels]
    # A rounded probability may lie above 1, and the mean below 0.
    true = np.clip(true, np.finfo("float64").tiny, 1.0)
    return float(abs(np.log(true)).mean())
