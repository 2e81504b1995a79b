"""One number for how unequal the modalities' contributions are."""

import math


def imbalance_degree(contributions, least=0.0):
    """Spread of the positive contributions over their sum.

        (max_m phi_m+ - min_m phi_m+) / sum_m phi_m+,  phi+ = max(phi, 0)

    0 is balanced, 1 is one modality alone. This definition is ours:
    BalanceBenchmark (Xu et al., 2025) announces an imbalance degree but
    neither prints a formula nor has code for one.

    Args:
        contributions: dict of modality name to contribution, for instance
            what `shapley` returns.
        least: float; where the contributions sum to this or less there is
            nothing to be shared. `least_gain` is that of chance.

    Returns:
        A float in [0, 1]; None where there is nothing to be shared, so that
        a model that has learned nothing is not called balanced.

    Raises:
        ValueError: without a modality.
    """
    if not contributions:
        raise ValueError(
            "Expected one contribution or more. Received: contributions={}"
        )
    positive = [max(float(phi), 0.0) for phi in contributions.values()]
    total = sum(positive)
    if not total or sum(map(float, contributions.values())) <= least:
        return None
    return (max(positive) - min(positive)) / total


def least_gain(accuracy, samples):
    """What an accuracy may gain by chance: two binomial standard errors.

    Args:
        accuracy: float in [0, 1], without any modality.
        samples: integer, those that it is measured on.

    Returns:
        A float.
    """
    return 2 * math.sqrt(accuracy * (1 - accuracy) / samples)
