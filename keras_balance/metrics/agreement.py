"""Which modalities are right together, and what the fusion makes of it."""

import itertools

import numpy as np

from keras_balance.metrics.checks import check_labels_and_scores
from keras_balance.metrics.checks import check_unimodal


def agreement(labels, fused, unimodal):
    """Samples by the set of modalities that are right, the 2^M patterns.

    Kontras et al., "Improving Multimodal Learning with Multi-Loss Gradient
    Modulation", 2024, take the modalities from models trained alone; the
    logits that a joint model gives each modality answer another question and
    should be labelled so.

    Args:
        labels: integers of shape `(samples,)`.
        fused: scores of shape `(samples, classes)`.
        unimodal: dict of modality name to scores of that shape.

    Returns:
        A list of dicts, all right first and none right last: `right`, names
        of the modalities that are right; `samples`, how many; `fused_right`,
        how many of them the fused prediction has right.

    Raises:
        ValueError: for what `accuracy` refuses, or without a modality.
    """
    labels, fused = check_labels_and_scores(labels, fused)
    unimodal = check_unimodal(labels, unimodal)
    fused_right = fused.argmax(axis=1) == labels
    right = np.stack(
        [own.argmax(axis=1) == labels for own in unimodal.values()], axis=1
    )
    patterns = []
    for pattern in itertools.product((True, False), repeat=len(unimodal)):
        chosen = (right == pattern).all(axis=1)
        names = zip(unimodal, pattern, strict=True)
        patterns.append(
            {
                "right": [name for name, is_right in names if is_right],
                "samples": int(chosen.sum()),
                "fused_right": int((chosen & fused_right).sum()),
            }
        )
    return patterns
