"""Top-k accuracy."""

import numpy as np

from keras_balance.metrics.checks import check_labels_and_scores


def top_k_accuracy(labels, scores, k=5):
    """Share of samples whose class is among their k highest scores.

    Among equal scores the first classes come first, so that `k=1` is
    `accuracy`. (scikit-learn puts the last classes first.)

    Args:
        labels: integers of shape `(samples,)`.
        scores: logits or probabilities of shape `(samples, classes)`.
        k: integer from 1 to the number of classes.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: for what `accuracy` refuses, or for another `k`.
    """
    labels, scores = check_labels_and_scores(labels, scores)
    classes = scores.shape[1]
    if not 1 <= k <= classes:
        raise ValueError(
            f"Expected `k` from 1 to {classes}, the number of classes. "
            f"Received: k={k}"
        )
    own = scores[np.arange(len(labels)), labels][:, None]
    before = np.arange(classes) < labels[:, None]
    ahead = (scores > own) | ((scores == own) & before)
    return float((ahead.sum(axis=1) < k).mean())
