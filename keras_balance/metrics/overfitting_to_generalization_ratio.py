"""Overfitting-to-generalization ratio (OGR)."""

import numpy as np


def overfitting_to_generalization_ratio(train_losses, validation_losses):
    """How much a model overfitted for what it learned to generalize.

        O = L_validation - L_train
        OGR = |(O_end - O_begin) / (L_validation_begin - L_validation_end)|

    Wang et al., "What Makes Training Multi-Modal Classification Networks
    Hard?", CVPR 2020, between the first and the last checkpoint given.

    Args:
        train_losses: loss at each checkpoint, two or more.
        validation_losses: the same on held-out data, as many.

    Returns:
        A float, 0 or more, or None where the validation loss did not fall:
        nothing was learned that the overfitting could be set against.

    Raises:
        ValueError: if there are fewer than two checkpoints, if the numbers
            of losses differ or if a loss is not finite.
    """
    train = np.asarray(train_losses, dtype="float64")
    validation = np.asarray(validation_losses, dtype="float64")
    if train.ndim != 1 or train.shape != validation.shape or len(train) < 2:
        raise ValueError(
            "Expected two losses or more, as many of both. Received: "
            f"train_losses.shape={train.shape}, "
            f"validation_losses.shape={validation.shape}"
        )
    if not np.isfinite([train, validation]).all():
        raise ValueError(
            f"Expected finite losses. Received: train_losses={train.tolist()}"
            f", validation_losses={validation.tolist()}"
        )
    learned = validation[0] - validation[-1]
    if learned <= 0:
        return None
    overfitting = validation - train
    return float(abs((overfitting[-1] - overfitting[0]) / learned))
