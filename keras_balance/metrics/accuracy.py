"""Top-1 accuracy."""

from keras_balance.metrics.checks import check_labels_and_scores


def accuracy(labels, scores):
    """Share of samples whose highest score is that of their class.

    Where several classes share the highest score, the first one counts as
    the prediction, as in `keras.metrics.SparseCategoricalAccuracy`.

    Args:
        labels: integers of shape `(samples,)`.
        scores: logits or probabilities of shape `(samples, classes)`.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: if an array is empty, shapes disagree, a label is out of
            range or a score is not finite.
    """
    labels, scores = check_labels_and_scores(labels, scores)
    return float((scores.argmax(axis=1) == labels).mean())
