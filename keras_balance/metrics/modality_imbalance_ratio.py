"""Modality imbalance ratio (MIR) and its matrix for any modalities."""


def modality_imbalance_ratio(accuracies, strong=None):
    """Accuracy of the strong modality over that of the other one.

    Hua et al., "ReconBoost", ICML 2024: the accuracies are those of linear
    probes of the trained encoders, and audio is the strong modality. 1 is
    balanced; below 1 the modality named strong is the weaker one.

    Args:
        accuracies: dict of two modality names to accuracies, unrounded, in
            [0, 1] or in percent.
        strong: name of the modality above the line; the first by default.

    Returns:
        A float, or None where the accuracy below the line is 0.

    Raises:
        ValueError: if there are not two modalities, if `strong` is none of
            them, or if an accuracy is negative.
    """
    if len(accuracies) != 2:
        raise ValueError(
            "Expected two modalities: the ratio is not defined for more, see "
            "`imbalance_ratio_matrix`. Received: modalities="
            f"{list(accuracies)}"
        )
    strong = next(iter(accuracies)) if strong is None else strong
    if strong not in accuracies:
        raise ValueError(
            f"Expected `strong` to be one of {list(accuracies)}. "
            f"Received: strong={strong!r}"
        )
    (other,) = (name for name in accuracies if name != strong)
    return imbalance_ratio_matrix(accuracies)[strong][other]


def imbalance_ratio_matrix(accuracies):
    """Accuracy of every modality over that of every other.

    Args:
        accuracies: dict of modality name to accuracy.

    Returns:
        Dict of dicts: `matrix[a][b]` is the accuracy of `a` over that of
        `b`, None where that of `b` is 0.

    Raises:
        ValueError: if an accuracy is negative or not finite.
    """
    for name, value in accuracies.items():
        if not 0 <= value < float("inf"):
            raise ValueError(
                "Expected accuracies of 0 or more. Received: "
                f"accuracies[{name!r}]={value}"
            )
    return {
        name: {
            other: float(above / below) if below else None
            for other, below in accuracies.items()
        }
        for name, above in accuracies.items()
    }
