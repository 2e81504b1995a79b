"""One number for how unequal the modalities' contributions are."""


def imbalance_degree(contributions):
    """Spread of the positive contributions over their sum.

        (max_m phi_m+ - min_m phi_m+) / sum_m phi_m+,  phi+ = max(phi, 0)

    0 is balanced, 1 is one modality alone. This definition is ours:
    BalanceBenchmark (Xu et al., 2025) announces an imbalance degree but
    neither prints a formula nor has code for one.

    Args:
        contributions: dict of modality name to contribution, for instance
            what `shapley` returns.

    Returns:
        A float in [0, 1]; 0 where no contribution is positive.

    Raises:
        ValueError: without a modality.
    """
    if not contributions:
        raise ValueError(
            "Expected one contribution or more. Received: contributions={}"
        )
    positive = [max(float(phi), 0.0) for phi in contributions.values()]
    total = sum(positive)
    return (max(positive) - min(positive)) / total if total else 0.0
