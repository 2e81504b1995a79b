"""Rows that lack a modality: what their encoder is given, and what is kept.

An encoder need not be defined at zero: a pooling over what a mask leaves, a
division by a norm, a logarithm or the magnitude of a spectrum is not, or has
no gradient there, and one such row would make the whole gradient NaN. An
absent row is therefore given the input of the first row of the batch that has
the modality, and its features are zeroed afterwards, so that it counts
nowhere and no gradient comes from it. BatchNormalization sees that row once
more for each absent one. Where no row has the modality, the encoder is given
a fixed pattern, and the averages that it keeps stay as they were.
"""

import keras
from keras import ops


def row_marks(present):
    """`(batch,)` of 0 and 1 from what marks the rows that are present."""
    return ops.cast(ops.reshape(present, (-1,)), "float32")


def fill(x, present):
    """Gives absent rows what the first present row holds.

    Args:
        x: tensor `(batch, ...)`, or any structure of such tensors.
        present: `(batch,)` or `(batch, 1)`, the rows that are present.

    Returns:
        The same structure; whatever absent rows held is not in it.
    """
    keep = _keep(present)
    rows = ops.arange(ops.shape(keep)[0])
    first = ops.cast(ops.argmax(ops.cast(keep, "int32")), rows.dtype)
    index = ops.where(keep, rows, first)
    some = ops.any(keep)

    def filled(leaf):
        return ops.where(some, ops.take(leaf, index, axis=0), pattern(leaf))

    return keras.tree.map_structure(filled, x)


def zero(x, present):
    """Zeros in absent rows, whatever they hold, NaN included.

    Args:
        x: tensor `(batch, ...)`.
        present: `(batch,)` or `(batch, 1)`, the rows that are present.
    """
    keep = ops.reshape(_keep(present), (-1,) + (1,) * (len(x.shape) - 1))
    return ops.where(keep, x, ops.zeros_like(x))


def run(layer, x, present, training):
    """What a layer makes of filled rows.

    Args:
        layer: an encoder or a part of one.
        x: what `fill` returned, preprocessed or not.
        present: `(batch,)` or `(batch, 1)`, the rows that are present.
        training: boolean.
    """
    averages = layer.non_trainable_weights if training else []
    before = [ops.copy(ops.convert_to_tensor(v)) for v in averages]
    features = layer(x, training=training)
    some = ops.any(_keep(present))
    for v, old in zip(averages, before, strict=True):
        v.assign(ops.where(some, ops.convert_to_tensor(v), old))
    return features


def finite_or_zero(x):
    """x, with 0 in the place of what is no number or infinite."""
    return ops.where(ops.isfinite(x), x, ops.zeros_like(x))


def pattern(x):
    """Values of the shape of x that change along every axis, none of them 0."""
    if "float" not in keras.backend.standardize_dtype(x.dtype):
        return ops.ones_like(x)
    shape, place = ops.shape(x), 0.0
    for axis in range(len(x.shape)):
        steps = ops.arange(shape[axis], dtype="float32") * (0.7 + axis)
        place = place + ops.reshape(
            steps, (-1,) + (1,) * (len(x.shape) - 1 - axis)
        )
    return ops.cast(1.0 + 0.5 * ops.sin(place), x.dtype)


def _keep(present):
    return row_marks(present) > 0
