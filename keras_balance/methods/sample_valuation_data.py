"""Training data that is drawn anew in every epoch, some rows masked.

Keras asks a data set for its length once, when `fit` begins: an epoch cannot
grow while it trains. So an epoch has as many rows as the data, whatever the
pool is that they are drawn from.
"""

import math
from typing import Any

import keras
import numpy as np

from keras_balance.models.fit_data import are_arrays
from keras_balance.models.fit_data import as_numpy
from keras_balance.models.fit_data import length
from keras_balance.models.structures import rows_of

WHOLE = -1


def drawn(rows, copies, shares, rng, shuffle):
    """The rows of an epoch, drawn without replacement from a pool.

    The pool holds every row once as it is, and copies of rows of which one
    modality is kept.

    Args:
        rows: integer, how many rows there are and how many are drawn.
        copies: integers `(rows, M)`, how often the pool has row i with
            modality m alone; or None.
        shares: floats `(M,)`, how many copies of random rows, as a part of
            all rows, the pool has of each modality; or None.
        rng: NumPy generator.
        shuffle: boolean; without it rows keep their order.

    Returns:
        `(indices, kept)`: integers `(rows,)`, which row each one is, and the
        modality that it keeps, -1 for all of them.
    """
    indices = [np.arange(rows)]
    kept = [np.full(rows, WHOLE)]
    if copies is not None:
        for m in range(copies.shape[1]):
            indices.append(np.repeat(np.arange(rows), copies[:, m]))
            kept.append(np.full(len(indices[-1]), m))
    if shares is not None:
        for m, share in enumerate(shares):
            # A product may be a rounding error below the whole it stands for.
            count = math.floor(share * rows + 1e-6)
            indices.append(rng.integers(0, rows, count))
            kept.append(np.full(count, m))
    indices, kept = np.concatenate(indices), np.concatenate(kept)
    if len(indices) == rows and not shuffle:
        return indices, kept
    chosen = rng.permutation(len(indices))[:rows]
    if not shuffle:
        chosen = chosen[np.lexsort((chosen, indices[chosen]))]
    return indices[chosen], kept[chosen]


class Resampled(keras.utils.PyDataset):
    """What `fit` reads: batches of rows that `draw` has chosen.

    To the inputs of a batch it adds `<modality>_kept`, `(batch,)` booleans.
    Data that are read by batches, a `PyDataset` or a grain `MapDataset`, are
    drawn batch by batch: each batch from its own rows and their copies, so
    that it is read once an epoch. Other data are drawn as a whole.

    Args:
        data: `FitData`.
        modalities: tuple of names.
        shuffle: boolean, what `fit` was given.

    Raises:
        TypeError: for data whose rows cannot be read a second time, in another
            order.
    """

    def __init__(self, data, modalities, shuffle=True):
        super().__init__(workers=1)
        self.source = source_of(data, shuffle)
        self.modalities = modalities
        self.draw([0])

    def __len__(self):
        return self.source.steps

    def draw(self, seed, copies=None, shares=None):
        """Chooses the rows of the next epoch.

        Args:
            seed: list of integers from which all that is random follows.
            copies: list of integers `(rows, M)`, one for each part of the
                source, see `drawn`; or None.
            shares: floats `(M,)` or None, see `drawn`.
        """
        self.seed, self.copies, self.shares = list(seed), copies, shares
        rng = np.random.default_rng(self.seed)
        source = self.source
        if source.by_rows:
            self.plan = self._drawn(0, source.rows, rng)
        elif source.shuffle:
            self.plan = rng.permutation(source.steps)
        else:
            self.plan = np.arange(source.steps)

    def __getitem__(self, index):
        source = self.source
        if source.by_rows:
            part = slice(index * source.size, (index + 1) * source.size)
            rows, kept = (values[part] for values in self.plan)
            batch = source.read(rows)
        else:
            part = int(self.plan[index])
            batch = source.part(part)
            count = rows_of(batch[0])
            rng = np.random.default_rng([*self.seed, 1 + part])
            rows, kept = self._drawn(part, count, rng)
            batch = picked(batch, rows)
        x, y, weight = keras.tree.map_structure(_as_given, batch)
        x = {**x, **self._marks(x, kept)}
        return (x, y) if weight is None else (x, y, weight)

    def _drawn(self, part, count, rng):
        copies = None if self.copies is None else self.copies[part]
        return drawn(count, copies, self.shares, rng, self.source.shuffle)

    def _marks(self, x, kept):
        """Which rows keep a modality, `(batch,)`, by the name of the input."""
        whole = kept == WHOLE
        for m, name in enumerate(self.modalities):
            present = x.get(f"{name}_present")
            if present is not None:
                # Nothing would be left of it.
                lacks = ~np.asarray(present, "bool").reshape(-1)
                whole = whole | ((kept == m) & lacks)
        return {
            f"{name}_kept": whole | (kept == m)
            for m, name in enumerate(self.modalities)
        }


# Sources ----------------------------------------------------------------------


class RowSource:
    """Data of which any rows are read together.

    Attributes:
        rows: integer, how many there are.
        size: integer, rows per batch.
        steps: integer, batches in an epoch.
        parts: integer, 1: it is drawn as a whole.
    """

    by_rows = True
    parts = 1

    def __init__(self, read, rows, size, shuffle, drop_last=False):
        self.read = read
        self.rows, self.size, self.shuffle = rows, size or 32, bool(shuffle)
        if not rows:
            raise ValueError("Expected data with rows. Received: no row")
        self.steps = math.ceil(rows / self.size)
        if drop_last:
            self.steps = max(1, rows // self.size)

    def batches(self):
        """Yields `(part, batch)`, all rows in their order."""
        for start in range(0, self.rows, self.size):
            stop = min(start + self.size, self.rows)
            yield 0, self.read(np.arange(start, stop))

    def sample(self, fraction, rng):
        """Yields batches of random rows, drawn with replacement."""
        rows = rng.integers(0, self.rows, math.ceil(fraction * self.rows))
        for start in range(0, len(rows), self.size):
            yield self.read(rows[start : start + self.size])


class BatchSource:
    """Data that are read batch by batch; each is a part drawn by itself."""

    by_rows = False

    def __init__(self, x, steps, shuffle):
        self.x, self.steps, self.shuffle = x, steps, bool(shuffle)
        self.parts = steps

    def part(self, index):
        return unpacked(self.x[index])

    def batches(self):
        """Yields `(part, batch)`, all of them in their order."""
        for index in range(self.steps):
            yield index, self.part(index)

    def sample(self, fraction, rng):
        """Yields random batches, drawn with replacement."""
        count = math.ceil(fraction * self.steps)
        for index in rng.integers(0, self.steps, count):
            yield self.part(int(index))


def source_of(data, shuffle):
    """The `RowSource` or `BatchSource` of what `fit` was given.

    Args:
        data: `FitData`.
        shuffle: boolean, what `fit` was given; loaders have their own.
    """
    x, size = data.x, data.batch_size
    if are_arrays(x):
        arrays = keras.tree.map_structure(
            as_numpy, (x, data.y, data.sample_weight)
        )
        return RowSource(
            lambda rows: picked(arrays, rows), length(arrays), size, shuffle
        )
    if hasattr(x, "read_rows"):
        return RowSource(
            lambda rows: unpacked(x.read_rows(rows)),
            x.num_rows,
            x.batch_size,
            shuffle or x.shuffle,
        )
    if isinstance(x, keras.utils.PyDataset):
        if x.num_batches is None:
            raise _cannot_index(x, "one without a length")
        return BatchSource(x, x.num_batches, shuffle)
    if _is_of("torch", "DataLoader", x):
        return _loader_source(x)
    if not _is_indexable(x):
        raise _cannot_index(x)
    if _is_of("grain", "MapDataset", x):
        if len(x) > 2**40:
            raise _cannot_index(x, "one that repeats without end")
        return BatchSource(x, len(x), shuffle=False)

    def read(rows):
        return unpacked(_stacked([x[int(row)] for row in rows]))

    return RowSource(read, len(x), size, shuffle)


def _loader_source(loader):
    """A torch `DataLoader`, read through the data set inside."""
    inner = loader.dataset
    size = getattr(loader.batch_sampler, "batch_size", None)
    order = type(loader.sampler).__name__
    known = order in ("SequentialSampler", "RandomSampler")
    if not _is_indexable(inner) or size is None or not known:
        raise _cannot_index(
            loader,
            f"one over a {type(inner).__name__} with a {order}, not a "
            "map-style Dataset in batches of a fixed size",
        )

    def read(rows):
        return unpacked(loader.collate_fn([inner[int(row)] for row in rows]))

    shuffle = order == "RandomSampler"
    return RowSource(read, len(inner), size, shuffle, loader.drop_last)


def _is_indexable(x):
    sized = hasattr(type(x), "__getitem__") and hasattr(type(x), "__len__")
    return sized and not isinstance(x, (list, tuple, str))


def _is_of(package, name, x):
    """Whether a class of this name, of a package, is among an object's."""
    return any(
        one.__name__ == name and one.__module__.split(".")[0] == package
        for one in type(x).__mro__
    )


def _cannot_index(x, what=None):
    what = "" if what is None else f", {what}"
    return TypeError(
        "This method trains on some rows more often than on others, and has "
        "to read any row at any time. Expected a dict of arrays, a "
        "keras.utils.PyDataset, a grain MapDataset or a torch DataLoader over "
        f"a map-style Dataset. Received: a {type(x).__name__}{what}. "
        "tf.data, generators and iterable data sets are read in one order "
        "only: wrap the data in a keras.utils.PyDataset."
    )


# Rows -------------------------------------------------------------------------


def unpacked(batch) -> tuple[Any, Any, Any]:
    """`(x, y, sample_weight)` in NumPy, None for what is missing."""
    return keras.tree.map_structure(
        as_numpy, keras.utils.unpack_x_y_sample_weight(batch)
    )


def picked(arrays, rows):
    """Rows of every array."""
    return keras.tree.map_structure(
        lambda a: None if a is None else a[rows], arrays
    )


def _stacked(rows):
    return keras.tree.map_structure(
        lambda *values: np.stack([as_numpy(value) for value in values]), *rows
    )


def _as_given(value):
    """In the precision that `fit` gives to arrays."""
    if value is not None and value.dtype.kind == "f":
        return value.astype(keras.config.floatx(), copy=False)
    return value
