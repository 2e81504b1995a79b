"""How far two modalities' scores of the true class are apart."""

import numpy as np

from keras_balance.metrics.checks import check_labels_and_scores
from keras_balance.metrics.softmax import softmax


def score_gap(labels, first, second):
    """Mean of |softmax(first)_t - softmax(second)_t|, t the true class.

    The modality gap in the scores, arXiv 2510.21797. 0 is none.

    Args:
        labels: integers of shape `(samples,)`.
        first: logits of one modality, `(samples, classes)`.
        second: logits of another one, of the same shape.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: for what `accuracy` refuses.
    """
    true = []
    for logits in (first, second):
        own, logits = check_labels_and_scores(labels, logits)
        true.append(softmax(logits)[np.arange(len(own)), own])
    return float(abs(true[0] - true[1]).mean())
