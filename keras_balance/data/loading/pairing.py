"""Samples from two collections of the same classes, such as digits."""

import numpy as np

from keras_balance.data.loading.splits import PARTS
from keras_balance.data.loading.splits import largest_remainder


class NoPartnerError(ValueError):
    """A part has samples of a class and nothing to pair them with.

    Attributes:
        label: the class.
        part: the part.
    """

    def __init__(self, label, part):
        super().__init__(f"nothing of class {label} in {part} to pair with")
        self.label = label
        self.part = part


def pair_by_class(parts, labels, pool_parts, pool_labels, seed):
    """Draws a partner of the same class and part for every sample.

    The draw of a class in a part does not depend on the others.

    Args:
        parts: dict from part to indices into `labels`.
        labels: integer array, the classes of the one collection.
        pool_parts: dict from part to indices into `pool_labels`.
        pool_labels: integer array, the classes of the other collection.
        seed: integer.

    Returns:
        dict from part to the partners of its indices, in their order.

    Raises:
        NoPartnerError: a part of the pool lacks a class.
    """
    partners = {}
    for k, part in enumerate(PARTS):
        rows, pool = parts[part], pool_parts[part]
        drawn = np.zeros(len(rows), "int64")
        for label in np.unique(labels[rows]):
            here = np.flatnonzero(labels[rows] == label)
            own = pool[pool_labels[pool] == label]
            if not len(own):
                raise NoPartnerError(label, part)
            rng = np.random.default_rng([seed, k, int(label)])
            drawn[here] = own[rng.integers(0, len(own), len(here))]
        partners[part] = drawn
    return partners


def first_of_each(parts, samples):
    """Keeps the first indices of each part, `samples` in all.

    Args:
        parts: dict from part to indices.
        samples: integer.

    Returns:
        dict as `parts`, in the proportions of their sizes.
    """
    sizes = [len(parts[part]) for part in PARTS]
    keep = largest_remainder(sizes, min(samples, sum(sizes)))
    return {p: parts[p][:n] for p, n in zip(PARTS, keep, strict=True)}
