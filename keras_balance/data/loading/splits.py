"""Splits: stratified cuts, splits by actor, and checks for leaks."""

import dataclasses

import numpy as np

PARTS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Split:
    """Which samples train, validate and test.

    Attributes:
        train: sorted int64 array of sample indices.
        validation: likewise.
        test: likewise.
        description: list of texts for the report.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    description: list

    def __post_init__(self):
        for part in PARTS:
            indices = np.sort(np.asarray(getattr(self, part), "int64"))
            object.__setattr__(self, part, indices)


def stratified_cut(labels, indices, fraction, seed):
    """Cuts a part off that has the same mix of classes.

    The part has `round(fraction * len(indices))` samples; what rounding
    leaves goes to the classes with the largest remainders. The draw depends
    on the order of `indices` and on nothing else.

    Args:
        labels: integer array of shape `(N,)`.
        indices: integer array, the samples to cut.
        fraction: between 0 and 1.
        seed: integer.

    Returns:
        A tuple `(rest, part)` of sorted integer arrays.
    """
    if not 0 <= fraction < 1:
        raise ValueError(
            "expected a fraction from 0 to below 1. Received: "
            f"fraction={fraction}"
        )
    indices = np.asarray(indices, "int64")
    classes, members = np.unique(labels[indices], return_inverse=True)
    sizes = np.bincount(members, minlength=len(classes))
    counts = largest_remainder(sizes, round(fraction * len(indices)))
    rng = np.random.default_rng(seed)
    drawn = [
        rng.permutation(np.flatnonzero(members == c))[:count]
        for c, count in enumerate(counts)
    ]
    chosen = np.zeros(len(indices), bool)
    chosen[np.concatenate([np.zeros(0, "int64"), *drawn])] = True
    return np.sort(indices[~chosen]), np.sort(indices[chosen])


def largest_remainder(sizes, total):
    """Shares `total` in proportion to `sizes`, in whole numbers.

    Args:
        sizes: non-negative integers.
        total: their new sum, at most `sum(sizes)`.

    Returns:
        int64 array, each at most its size.
    """
    sizes = np.asarray(sizes, "int64")
    if sizes.sum() == 0:
        return sizes
    # In integers: floating-point remainders would break ties by accident.
    shares, remainders = np.divmod(sizes * int(total), sizes.sum())
    order = np.argsort(-remainders, kind="stable")
    shares[order[: int(total) - shares.sum()]] += 1
    return shares


def split_groups(groups, test, validation, seed):
    """Splits so that no group (an actor, a speaker) is in two parts.

    Args:
        groups: list of N group names.
        test: fraction of the groups for the test part.
        validation: fraction of the remaining groups for validation.
        seed: integer.

    Returns:
        dict from part to the sorted list of its groups.

    Raises:
        ValueError: with fewer than three groups.
    """
    names = sorted(set(groups))
    if len(names) < 3:
        raise ValueError(
            "expected at least 3 actors or speakers, one for each part. "
            f"Received: {', '.join(map(str, names))}"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    shuffled = [names[i] for i in order]
    n_test = min(max(1, round(test * len(names))), len(names) - 2)
    rest = len(names) - n_test
    n_validation = min(max(1, round(validation * rest)), rest - 1)
    return {
        "test": sorted(shuffled[:n_test]),
        "validation": sorted(shuffled[n_test : n_test + n_validation]),
        "train": sorted(shuffled[n_test + n_validation :]),
    }


def cut_groups(groups, indices, fraction, seed):
    """Cuts a part off that shares no group with the rest.

    Args:
        groups: list of N group names.
        indices: integer array, the samples to cut.
        fraction: of the groups, between 0 and 1; at least one of them is cut
            and one stays.
        seed: integer.

    Returns:
        A tuple `(rest, part)` of sorted integer arrays.
    """
    own = np.array([groups[i] for i in indices])
    names = np.unique(own)
    count = min(max(1, round(fraction * len(names))), len(names) - 1)
    drawn = np.random.default_rng(seed).permutation(names)[:count]
    chosen = np.isin(own, drawn)
    indices = np.asarray(indices, "int64")
    return np.sort(indices[~chosen]), np.sort(indices[chosen])


def cut_validation(labels, groups, train, fraction, seed):
    """Cuts validation off train as well as labels and groups allow.

    Args:
        labels: array of shape `(N, ...)`.
        groups: list of N group names, or None.
        train: integer array, the samples to cut.
        fraction: between 0 and 1.
        seed: integer.

    Returns:
        A tuple `(rest, part, how)`, `how` in words.
    """
    if groups is not None:
        return *cut_groups(groups, train, fraction, seed), "whole groups"
    if labels.ndim == 1 and labels.dtype.kind == "i":
        cut = stratified_cut(labels, train, fraction, seed)
        return *cut, "stratified by class"
    one = np.zeros(len(labels), "int32")
    return *stratified_cut(one, train, fraction, seed), "at random"


def shared(parts):
    """Finds what is in more than one part.

    Args:
        parts: dict from part name to an iterable of names (clips, actors).

    Returns:
        dict from name to the sorted list of its parts, for every name that is
        in two or more.
    """
    where = {}
    for part, names in parts.items():
        for name in set(names):
            where.setdefault(name, []).append(part)
    return {n: sorted(p) for n, p in sorted(where.items()) if len(p) > 1}


def part_numbers(parts):
    """The places in `PARTS` of part names: int8, -1 for None.

    Raises:
        ValueError: a name is none of `PARTS`.
    """
    places = {None: -1, **{part: k for k, part in enumerate(PARTS)}}
    other = set(parts) - places.keys()
    if other:
        raise ValueError(
            f"expected parts among {', '.join(PARTS)}, or None. Received: "
            f"{', '.join(sorted(map(str, other)))}"
        )
    return np.array([places[part] for part in parts], "int8")
