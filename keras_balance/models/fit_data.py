"""The data of a `fit`, to be read once more by what estimates with it."""

import math
from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from keras_balance.models.structures import shapes_of


class FitData(NamedTuple):
    """The data of a `fit`, for what a method estimates once an epoch.

    Attributes:
        x: what `fit` was given.
        y: what `fit` was given, or None where `x` yields it.
        sample_weight: what `fit` was given, or None.
        batch_size: integer or None.
        validation_data: tuple `(x, y, sample_weight)` with None for what is
            missing, or None without validation.
        steps_per_epoch: integer or None.
        class_weight: dict from class indices to weights, or None.
    """

    x: Any
    y: Any
    sample_weight: Any
    batch_size: Any
    validation_data: Any
    steps_per_epoch: Any = None
    class_weight: Any = None

    @classmethod
    def of(cls, arguments):
        """From the arguments of `fit`, by name."""
        validation = arguments.get("validation_data")
        if validation is not None:
            validation = keras.utils.unpack_x_y_sample_weight(validation)
        return cls(
            arguments.get("x"),
            arguments.get("y"),
            arguments.get("sample_weight"),
            arguments.get("batch_size"),
            validation,
            arguments.get("steps_per_epoch"),
            arguments.get("class_weight"),
        )

    def training_batches(self, fraction=1.0):
        """Yields `(x, y, sample_weight)` of the training data, in NumPy.

        Args:
            fraction: float, how much of the data to read, from its beginning;
                all of it where its length is unknown.

        Raises:
            TypeError: where reading uses the data up.
        """
        _check_rereadable(self.x)
        data = self.x, self.y, self.sample_weight
        total = count_batches(data, self.batch_size) or self.steps_per_epoch
        limit = self.steps_per_epoch
        if total is not None and fraction < 1:
            limit = max(1, math.floor(fraction * total))
        found = batches(data, self.batch_size, limit)
        if not self.class_weight:
            return found
        return ((x, y, self.row_weights(y)) for x, y, _ in found)

    def row_weights(self, y):
        """What Keras makes of `class_weight` for the labels of a batch."""
        if not self.class_weight:
            return np.ones(len(y), "float32")
        y = np.argmax(y, -1) if y.ndim == 2 and y.shape[1] > 1 else y
        return np.array(
            [self.class_weight.get(int(label), 1.0) for label in y.reshape(-1)],
            "float32",
        )

    def build(self, model):
        """Builds a model by the first batch, where reading is no loss."""
        if hasattr(self.x, "__next__"):
            return
        data = self.x, self.y, self.sample_weight
        x, _, _ = next(batches(data, self.batch_size, 1))
        # What else `x` may be is refused by the step.
        if isinstance(x, dict):
            model.build(shapes_of(x))

    def validation_batches(self):
        """Yields `(x, y, sample_weight)` of the validation data, in NumPy."""
        _check_rereadable(self.validation_data[0])
        return batches(self.validation_data, self.batch_size)


def as_tuple(data):
    """`(x, y, sample_weight)` of one argument, as `batches` takes it.

    Args:
        data: a tuple of arrays, or anything that yields batches.
    """
    whole = data if isinstance(data, tuple) else (data,)
    return (*whole, None, None)[:3]


def batches(data, batch_size=None, limit=None):
    """Reads what `fit` takes, batch by batch.

    Args:
        data: tuple `(x, y, sample_weight)` as `fit` is given it: arrays, or
            `x` alone being a `keras.utils.PyDataset` or an iterable of
            batches such as a `tf.data.Dataset`, a grain data set or a torch
            `DataLoader`.
        batch_size: integer, rows per batch of arrays; 32 by default.
        limit: integer or None, the most batches to read.

    Yields:
        Tuples `(x, y, sample_weight)` of NumPy arrays; what is missing is
        None.

    Raises:
        TypeError: where the data cannot be read a second time.
        ValueError: where it has no end, or arrays differ in length.
    """
    for index, batch in enumerate(_raw_batches(data, batch_size, limit)):
        if index == limit:
            return
        yield keras.tree.map_structure(
            as_numpy, keras.utils.unpack_x_y_sample_weight(batch)
        )


def count_batches(data, batch_size=None):
    """How many batches `batches` yields, or None where only reading tells."""
    x = data[0]
    if are_arrays(x):
        return math.ceil(length(data) / (batch_size or 32))
    try:
        return len(x)
    except TypeError:
        return getattr(x, "num_batches", None)


def split_off_validation(arguments):
    """Does what `validation_split` asks of the arguments of `fit`.

    Here, and not in Keras, because a method reads the same two parts.
    """
    share = arguments.get("validation_split") or 0.0
    x = arguments.get("x")
    if not share or arguments.get("validation_data") or not are_arrays(x):
        return arguments
    names = ("x", "y", "sample_weight")
    data = tuple(arguments.get(name) for name in names)
    rows = length(data)
    kept = math.floor(rows * (1.0 - share))
    if not 0 < kept < rows:
        return arguments
    parts = [_sliced(data, 0, kept), _sliced(data, kept, rows)]
    return {
        **arguments,
        **dict(zip(names, parts[0], strict=True)),
        "validation_data": parts[1],
        "validation_split": 0.0,
    }


def _raw_batches(data, batch_size, limit):
    x, y, sample_weight = data
    if are_arrays(x):
        rows, size = length(data), batch_size or 32
        return (
            _sliced((x, y, sample_weight), start, min(start + size, rows))
            for start in range(0, rows, size)
        )
    if isinstance(x, keras.utils.PyDataset):
        count = x.num_batches if limit is None else limit
        if count is None:
            raise ValueError(
                "Expected a finite data set. Received: a "
                f"{type(x).__name__} with num_batches=None. Pass "
                "steps_per_epoch to fit."
            )
        return (x[index] for index in range(count))
    if not hasattr(x, "__iter__"):
        raise TypeError(
            "Expected a PyDataset, a dict of arrays or an iterable of batches "
            f"(x, y). Received: data={x!r}"
        )
    return iter(x)


def _check_rereadable(x):
    """Raises TypeError for what is used up by reading it."""
    if hasattr(x, "__next__"):
        raise TypeError(
            "This method reads the training data before it trains on it. "
            "Expected data that can be read more than once: a dict of "
            "arrays, a keras.utils.PyDataset, a tf.data.Dataset or another "
            f"iterable of batches. Received: a {type(x).__name__}. Wrap it in "
            "a keras.utils.PyDataset."
        )


def are_arrays(x):
    """Whether `fit` was given arrays, and no data set of batches."""
    return isinstance(x, dict) or hasattr(x, "shape")


def length(arrays):
    """How many rows arrays have, all of them the same."""
    leaves = [leaf for leaf in keras.tree.flatten(arrays) if leaf is not None]
    lengths = sorted({len(leaf) for leaf in leaves})
    if len(lengths) != 1:
        raise ValueError(
            f"Expected arrays of one length. Received: lengths={lengths}"
        )
    return lengths[0]


def _sliced(arrays, start, stop):
    return keras.tree.map_structure(
        lambda a: None if a is None else a[start:stop], arrays
    )


def as_numpy(value):
    """A tensor or array in NumPy; None stays None."""
    if value is None or isinstance(value, np.ndarray):
        return value
    return keras.ops.convert_to_numpy(value)
