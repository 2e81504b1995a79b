"""What each modality contributes to each sample."""

import numpy as np

from keras_balance.metrics.checks import check_labels_and_scores
from keras_balance.metrics.shapley import shapley


def sample_valuation(labels, coalition_scores):
    """Shapley values of each sample, with v(S) = |S| where S is right.

    Wei et al., "Enhancing Multimodal Cooperation via Sample-level Modality
    Valuation", CVPR 2024: v(S) is the number of modalities in S where the
    prediction from S alone is right, else 0, and v(none) = 0. The values of
    a sample add up to M or to 0.

    Args:
        labels: integers of shape `(samples,)`.
        coalition_scores: dict of coalition (tuple of names) to the scores
            `(samples, classes)` of the model with these modalities alone,
            for every coalition but the empty one, which is not read.

    Returns:
        Dict of modality name to float64 array `(samples,)`, in the order of
        the largest coalition.

    Raises:
        ValueError: for what `accuracy` refuses, or if a coalition is missing.
    """
    values = {(): np.zeros(len(labels))}
    for chosen, scores in coalition_scores.items():
        if chosen:
            own, scores = check_labels_and_scores(labels, scores)
            values[chosen] = len(chosen) * (scores.argmax(axis=1) == own)
    return shapley(values, max(values, key=len))
