"""Mean average precision (mAP) of a classifier."""

import numpy as np

from keras_balance.metrics.checks import check_labels_and_scores


def mean_average_precision(labels, scores, average="macro"):
    """Mean over classes of the one-vs-rest average precision.

    Average precision is the non-interpolated sum over distinct thresholds
    `sum_n (R_n - R_{n-1}) P_n`: samples with equal scores enter together, as
    in scikit-learn's `average_precision_score`.

    A class without a sample in `labels` has no average precision and is left
    out of the mean. (scikit-learn counts it as 0 and warns.)

    The papers of this field take `scores = softmax(logits)`; raw logits rank
    the samples of a class differently, hence give another number. See
    `keras_balance.metrics.softmax`.

    Args:
        labels: integers of shape `(samples,)`.
        scores: probabilities of shape `(samples, classes)`.
        average: `"macro"`, or `"micro"` for the average precision of all
            (sample, class) pairs in one ranking, scikit-learn's option.

    Returns:
        A float in (0, 1].

    Raises:
        ValueError: if an array is empty, shapes disagree, a label is out of
            range, a score is not finite, or for another `average`.
    """
    if average not in ("macro", "micro"):
        raise ValueError(
            "Expected `average` to be 'macro' or 'micro'. "
            f"Received: average={average!r}"
        )
    labels, scores = check_labels_and_scores(labels, scores)
    if average == "micro":
        relevant = labels[:, None] == np.arange(scores.shape[1])
        pairs = relevant.reshape(-1, 1), scores.reshape(-1, 1)
        return float(_average_precision(*pairs)[0])
    present = np.unique(labels)
    relevant = labels[:, None] == present
    return float(_average_precision(relevant, scores[:, present]).mean())


def _average_precision(relevant, scores):
    """Average precision of each column.

    Args:
        relevant: booleans of shape `(samples, columns)`, one or more True in
            every column.
        scores: floats of the same shape.

    Returns:
        float64 array of shape `(columns,)`.
    """
    samples = len(scores)
    order = np.argsort(-scores, axis=0, kind="stable")
    scores = np.take_along_axis(scores, order, axis=0)
    relevant = np.take_along_axis(relevant, order, axis=0)
    ranks = np.arange(1, samples + 1)[:, None]
    precision = relevant.cumsum(axis=0) / ranks
    # Every sample takes the precision at the last rank of its tie.
    last = np.ones(scores.shape, dtype=bool)
    last[:-1] = scores[1:] != scores[:-1]
    ends = np.where(last, ranks - 1, samples)
    ends = np.minimum.accumulate(ends[::-1], axis=0)[::-1]
    precision = np.take_along_axis(precision, ends, axis=0)
    return (precision * relevant).sum(axis=0) / relevant.sum(axis=0)
