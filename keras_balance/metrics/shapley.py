"""Shapley values: what each modality contributes."""

import itertools
import math

import numpy as np

from keras_balance.metrics.accuracy import accuracy
from keras_balance.metrics.checks import check_unimodal


def coalitions(modalities):
    """All 2^M subsets of the modalities.

    Args:
        modalities: names in the model's order.

    Returns:
        A list of tuples of names: `()` first, all modalities last, smaller
        ones before larger ones, each in the order of `modalities`.
    """
    modalities = tuple(modalities)
    return [
        chosen
        for size in range(len(modalities) + 1)
        for chosen in itertools.combinations(modalities, size)
    ]


def shapley(values, modalities):
    """Exact Shapley value of every modality.

        phi_m = sum_{S without m} |S|! (M - |S| - 1)! / M! (v(S + m) - v(S))

    They add up to v(all) - v(none). In this field v is the accuracy with the
    absent modalities zero; v(none) is then the accuracy on zeros, not chance.

    Args:
        values: dict of coalition (tuple or frozenset of names, in any order)
            to v, a float or an array; all arrays have one shape.
        modalities: names in the model's order.

    Returns:
        Dict of modality name to phi, a float, or an array of that shape.

    Raises:
        ValueError: if a coalition is missing or none of them.
    """
    modalities = tuple(modalities)
    known = {frozenset(chosen): chosen for chosen in coalitions(modalities)}
    given = {frozenset(chosen): value for chosen, value in values.items()}
    missing = [chosen for key, chosen in known.items() if key not in given]
    unknown = [tuple(sorted(key)) for key in given if key not in known]
    if missing or unknown:
        raise ValueError(
            f"Expected a value of each of the {len(known)} subsets of "
            f"{modalities}. Received: missing={missing}, unknown={unknown}"
        )
    count = len(modalities)
    contributions = {}
    for name in modalities:
        phi = 0.0
        for chosen in known:
            if name in chosen:
                continue
            size = len(chosen)
            ways = math.factorial(size) * math.factorial(count - size - 1)
            gain = given[chosen | {name}] - given[chosen]
            phi = phi + ways / math.factorial(count) * gain
        contributions[name] = phi if np.ndim(phi) else float(phi)
    return contributions


def shapley_from_logits(labels, unimodal):
    """Contribution to the accuracy of the summed logits.

    v(S) is the accuracy of the sum of the logits of the modalities in S. The
    empty sum is zero for every class, hence names class 0 always.

    Args:
        labels: integers of shape `(samples,)`.
        unimodal: dict of modality name to logits `(samples, classes)`.

    Returns:
        `(values, phi)`: dict of coalition (tuple of names) to accuracy, and
        dict of modality name to Shapley value.

    Raises:
        ValueError: for what `accuracy` refuses, or without a modality.
    """
    unimodal = check_unimodal(labels, unimodal)
    nothing = np.zeros_like(next(iter(unimodal.values())))
    values = {
        chosen: accuracy(
            labels, sum((unimodal[name] for name in chosen), nothing)
        )
        for chosen in coalitions(unimodal)
    }
    return values, shapley(values, unimodal)
