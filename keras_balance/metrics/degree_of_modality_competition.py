"""Degree of modality competition (DMC)."""

from keras_balance.metrics.modality_imbalance_ratio import (
    modality_imbalance_ratio,
)


def degree_of_modality_competition(accuracies, unimodal_accuracies):
    """Imbalance after joint training over the imbalance that was there.

        DMC = MIR(trained together) / MIR(each modality trained alone)

    Hua et al., "ReconBoost", ICML 2024. 1 is no competition, above 1 the
    strong modality gained on the other. Pass unrounded accuracies: rounded
    ratios give other second decimals than the paper's table.

    Args:
        accuracies: dict of two modality names to accuracies; the first one
            is above the line, in both ratios.
        unimodal_accuracies: the same of models of one modality each.

    Returns:
        A float, or None where either ratio has no value or the second is 0.

    Raises:
        ValueError: for what `modality_imbalance_ratio` refuses, or if the
            two dicts name other modalities.
    """
    if set(accuracies) != set(unimodal_accuracies):
        raise ValueError(
            f"Expected accuracies of the same modalities. Received: "
            f"accuracies={dict(accuracies)}, "
            f"unimodal_accuracies={dict(unimodal_accuracies)}"
        )
    strong = next(iter(accuracies), None)
    together = modality_imbalance_ratio(accuracies, strong)
    alone = modality_imbalance_ratio(unimodal_accuracies, strong)
    return together / alone if together is not None and alone else None
