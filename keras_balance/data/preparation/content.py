"""What samples hold, as hashes: the same twice is a leak or a contradiction."""

import collections
import hashlib
from typing import NamedTuple

import numpy as np

from keras_balance.data.preparation.leaves import flatten
from keras_balance.data.preparation.problems import Problem
from keras_balance.data.preparation.problems import listing


class Content(NamedTuple):
    """What a sample holds of one modality, as a hash.

    Attributes:
        what: the modality, or another word for what was hashed.
        name: the sample's name.
        label: its label.
        part: its part, or None.
        digest: hex digest; equal ones are copies.
    """

    what: str
    name: str
    label: object
    part: str | None
    digest: str


def digest_of(value):
    """The hex digest of an array's type, shape and values, or of several's."""
    state = hashlib.sha256()
    for name, array in flatten({"": value}).items():
        array = np.ascontiguousarray(array)
        state.update(f"{name}{array.dtype.str}{array.shape}".encode())
        state.update(array.tobytes())
    return state.hexdigest()


def copies(contents, known):
    """What is in two parts, or under two labels.

    Args:
        contents: list of `Content`.
        known: names of the samples whose faults are published.

    Returns:
        list of `Problem`: of kind `same-<what>` for copies under different
        labels, which published sets have, and `same-<what>-in-two-parts` for
        others, of which the test part should have none of train's.
    """
    groups = collections.defaultdict(list)
    for content in contents:
        groups[content.what, content.digest].append(content)
    problems = []
    for (what, _), same in groups.items():
        labels = {str(np.asarray(copy.label).tolist()) for copy in same}
        parts = {copy.part for copy in same} - {None}
        if len(labels) > 1:
            kind, severity = f"same-{what}", "note"
            text = f"identical {what} under different labels"
        elif len(parts) > 1:
            kind = f"same-{what}-in-two-parts"
            published = all(copy.name in known for copy in same)
            severity = "note" if published else "error"
            text = f"identical {what} in more than one part"
        else:
            continue
        where = [f"{c.name} ({c.part or 'in no part'})" for c in same]
        text = f"{text}: {listing(where)}."
        problems.append(Problem(kind, same[0].name, text, severity))
    return problems
