"""F1 averaged over the classes."""

import numpy as np

from keras_balance.metrics.confusion_matrix import confusion_matrix


def macro_f1(labels, scores):
    """Mean over *all declared* classes of F1 = 2 tp / (2 tp + fp + fn).

    A class that neither occurs nor is predicted has F1 = 0/0, taken as 0, and
    stays in the mean. scikit-learn's `f1_score(average="macro")` leaves such
    a class out and is then higher; `labels=range(classes), zero_division=0`
    makes it agree.

    Args:
        labels: integers of shape `(samples,)`.
        scores: logits or probabilities of shape `(samples, classes)`.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: if an array is empty, shapes disagree, a label is out of
            range or a score is not finite.
    """
    counts = confusion_matrix(labels, scores).astype("float64")
    correct = np.diagonal(counts)
    # 2 tp + fp + fn: how often the class occurs plus how often it is named.
    mentions = counts.sum(axis=0) + counts.sum(axis=1)
    return float((2.0 * correct / np.maximum(mentions, 1.0)).mean())
