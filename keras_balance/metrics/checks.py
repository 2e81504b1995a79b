"""What every metric requires of its two arrays."""

import numpy as np


def check_scores(scores):
    """Returns `scores` as a float64 array `(samples, classes)`.

    Raises:
        ValueError: if there are no samples or no classes, if the array has
            another rank, or if a score is NaN or infinite.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(
            "Expected `scores` of shape (samples, classes), neither of them "
            f"0. Received: scores.shape={scores.shape}"
        )
    scores = scores.astype("float64")
    broken = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if broken.size:
        raise ValueError(
            "Expected finite `scores`. Received: "
            f"scores[{broken[0]}]={scores[broken[0]].tolist()} "
            f"({broken.size} such rows)"
        )
    return scores


def check_labels_and_scores(labels, scores):
    """Returns `labels` as int64 `(samples,)` and `scores` as float64.

    Raises:
        ValueError: for what `check_scores` refuses, and if `labels` are not
            integers of shape `(samples,)` in `[0, classes)`.
    """
    scores = check_scores(scores)
    labels = np.asarray(labels)
    if labels.shape != scores.shape[:1]:
        raise ValueError(
            "Expected one integer label a row of `scores`. Received: "
            f"labels.shape={labels.shape}, scores.shape={scores.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "Expected integer `labels` (class indices). Received: "
            f"labels.dtype={labels.dtype}"
        )
    classes = scores.shape[1]
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if outside.size:
        raise ValueError(
            f"Expected `labels` in [0, {classes}), as `scores` has {classes} "
            f"columns. Received: labels[{outside[0]}]={labels[outside[0]]} "
            f"({outside.size} such labels)"
        )
    return labels.astype("int64"), scores


def check_labels_and_probabilities(labels, probabilities):
    """`check_labels_and_scores`, and that each row is a distribution.

    Rows may miss the sum of 1 by 0.01, the rounding of half precision.

    Raises:
        ValueError: for what `check_labels_and_scores` refuses, and if a row
            has a value outside [0, 1] or does not sum to 1.
    """
    labels, probabilities = check_labels_and_scores(labels, probabilities)
    negative = (probabilities < 0).any(axis=1)
    wrong = np.flatnonzero(negative | (abs(probabilities.sum(1) - 1) > 0.01))
    if wrong.size:
        raise ValueError(
            "Expected `probabilities` of 0 or more, each row summing to 1; "
            "`softmax` makes them of logits. Received: probabilities"
            f"[{wrong[0]}]={probabilities[wrong[0]].tolist()} "
            f"({wrong.size} such rows)"
        )
    return labels, probabilities


def check_unimodal(labels, unimodal):
    """Returns `unimodal` as a dict of float64 arrays of one shape.

    Raises:
        ValueError: without a modality, for what `check_labels_and_scores`
            refuses, and if the numbers of classes differ.
    """
    if not unimodal:
        raise ValueError(
            "Expected scores of one modality or more. Received: unimodal={}"
        )
    checked = {
        name: check_labels_and_scores(labels, own)[1]
        for name, own in unimodal.items()
    }
    shapes = {name: own.shape for name, own in checked.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            "Expected scores of as many classes for every modality. "
            f"Received: shapes={shapes}"
        )
    return checked
