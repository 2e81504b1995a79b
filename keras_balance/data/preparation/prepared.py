"""A prepared data set: memory-mapped arrays, labels and names."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np


class Rows:
    """Rows of an array in another order, with repetitions, without a copy.

    Args:
        array: array of shape `(rows, ...)`, usually memory-mapped.
        index: integer array of shape `(N,)`: row i of this view is row
            `index[i]` of `array`.
    """

    def __init__(self, array, index):
        self.array = array
        self.index = np.asarray(index, "int64")

    @property
    def shape(self):
        return (len(self.index), *self.array.shape[1:])

    @property
    def dtype(self):
        return self.array.dtype

    def __len__(self):
        return len(self.index)

    def __getitem__(self, key):
        return self.array[self.index[key]]


@dataclasses.dataclass(frozen=True)
class PreparedData:
    """What `prepare` returns.

    Attributes:
        arrays: dict of array-likes of shape `(N, ...)`, by modality, or of
            dicts of several. Indexing them reads from the disk.
        labels: int32 array of shape `(N,)`, or float32 where the set's labels
            are no classes.
        names: list of N sample names.
        checksum: hex digest of the content: files, names and labels.
        folder: where the shards are.
        skipped: list of `Problem`, the broken samples left out.
        warnings: list of texts.
        parts: int8 array of shape `(N,)` with 0 for train, 1 for validation,
            2 for test and -1 for none of them.
        groups: list of N names of what no two parts may share, or None.
        notes: list of texts about how the samples were made.
    """

    arrays: dict
    labels: np.ndarray
    names: list
    checksum: str
    folder: Path
    skipped: list
    warnings: list
    parts: np.ndarray
    groups: list | None = None
    notes: list = dataclasses.field(default_factory=list)

    def __len__(self):
        return len(self.labels)


def digest(*parts):
    """Returns the sha256, in hex, of JSON-able values."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
