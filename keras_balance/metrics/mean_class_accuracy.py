"""Accuracy averaged over the classes."""

import numpy as np

from keras_balance.metrics.confusion_matrix import confusion_matrix


def mean_class_accuracy(labels, scores):
    """Mean recall over the classes that have a sample in `labels`.

    ReconBoost's code prints it; scikit-learn calls it balanced accuracy. A
    class without a sample has no recall and is left out of the mean.

    Args:
        labels: integers of shape `(samples,)`.
        scores: logits or probabilities of shape `(samples, classes)`.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: for what `accuracy` refuses.
    """
    counts = confusion_matrix(labels, scores)
    samples = counts.sum(axis=1)
    present = samples > 0
    return float((np.diagonal(counts)[present] / samples[present]).mean())
