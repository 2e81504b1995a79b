"""One batch of training data, in the form that every method reads."""

from typing import Any
from typing import NamedTuple

import keras
from keras import ops

from keras_balance.labels import is_one_hot

# What a row of float16 shares may miss of 1.
SHARE_TOLERANCE = 0.01


class Batch(NamedTuple):
    """A batch with its labels made safe.

    Attributes:
        x: dict of inputs by modality name, as given.
        y: labels as given, with invalid ones replaced by class 0.
        sample_weight: as given, or None.
        labels: int32 `(batch,)`, class indices, whatever the form of `y`.
        weight: float32 `(batch,)`, the row weights, ones by default.
        invalid: int32 `(2,)`, how many labels are no class, and how many
            presence marks neither 0 nor 1.
    """

    x: Any
    y: Any
    sample_weight: Any
    labels: Any
    weight: Any
    invalid: Any


def unpack(data, num_classes):
    """Reads what `fit` gives to a step.

    An invalid label would raise on some backends and train silently wrong on
    others; it is counted instead, and the count raises after the epoch.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)`; `y` is `(batch,)`,
            `(batch, 1)` or one-hot `(batch, num_classes)`.
        num_classes: integer.

    Returns:
        `Batch`.

    Raises:
        ValueError: where labels are missing or of another shape.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    check_label_shape(None if y is None else y.shape, num_classes)
    if is_one_hot(y.shape, num_classes):
        labels = ops.cast(ops.argmax(y, axis=-1), "int32")
        invalid = ops.logical_not(is_share(ops.cast(y, "float32")))
        y = ops.where(invalid[:, None], ops.zeros_like(y), y)
    else:
        y = ops.reshape(y, (-1,))
        labels = ops.cast(y, "int32")
        invalid = ops.logical_or(labels < 0, labels >= num_classes)
        if "float" in keras.backend.standardize_dtype(y.dtype):
            whole = ops.equal(y, ops.floor(y))
            invalid = ops.logical_or(invalid, ops.logical_not(whole))
        labels = ops.where(invalid, ops.zeros_like(labels), labels)
        y = labels
    if sample_weight is None:
        weight = ops.ones_like(labels, dtype="float32")
    else:
        weight = ops.cast(ops.reshape(sample_weight, (-1,)), "float32")
    count = ops.sum(ops.cast(invalid, "int32"))
    faults = ops.stack([count, invalid_marks(x)])
    return Batch(x, y, sample_weight, labels, weight, faults)


def invalid_marks(x):
    """How many presence marks are neither 0 nor 1: an int32 scalar."""
    total = ops.zeros((), "int32")
    for key, marks in x.items() if isinstance(x, dict) else ():
        if key.endswith("_present"):
            marks = ops.cast(marks, "float32")
            valid = ops.logical_or(ops.equal(marks, 0), ops.equal(marks, 1))
            wrong = ops.cast(ops.logical_not(valid), "int32")
            total = total + ops.sum(wrong)
    return total


def is_share(y):
    """Which rows are one-hot, or shares of the classes: `(batch,)` booleans.

    Rows with several ones, of a multi-label problem, are not: they would train
    as if the first of them was the class.

    Args:
        y: float32 `(batch, classes)`; NaN is no share.
    """
    whole = ops.abs(ops.sum(y, axis=-1) - 1.0) <= SHARE_TOLERANCE
    return ops.logical_and(whole, ops.all(y >= 0, axis=-1))


def check_label_shape(shape, num_classes):
    """Raises ValueError where labels can be no class labels."""
    if shape is None:
        raise ValueError(
            "Training needs labels: pass y, or data that yields (x, y). "
            "Received: y=None"
        )
    one_column = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    if not one_column and not is_one_hot(shape, num_classes):
        raise ValueError(
            "Labels must be class indices of shape (batch,) or one-hot rows "
            f"of shape (batch, {num_classes}). Received: y.shape="
            f"{tuple(shape)}. Multi-label and regression targets are not "
            "supported."
        )
