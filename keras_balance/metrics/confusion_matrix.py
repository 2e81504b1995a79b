"""How often each class was taken for each other."""

import numpy as np

from keras_balance.metrics.checks import check_labels_and_scores


def confusion_matrix(labels, scores):
    """Counts of (true class, predicted class) over all declared classes.

    Args:
        labels: integers of shape `(samples,)`.
        scores: logits or probabilities of shape `(samples, classes)`.

    Returns:
        int64 array of shape `(classes, classes)`: rows are true classes,
        columns predicted ones, the sum is the number of samples.

    Raises:
        ValueError: if an array is empty, shapes disagree, a label is out of
            range or a score is not finite.
    """
    labels, scores = check_labels_and_scores(labels, scores)
    classes = scores.shape[1]
    cells = labels * classes + scores.argmax(axis=1)
    counts = np.bincount(cells, minlength=classes * classes)
    return counts.reshape(classes, classes)
