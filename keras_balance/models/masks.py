"""Keras masks, kept where a method changes what an encoder is given."""

import keras
from keras import ops


class Like(keras.layers.Layer):
    """Its second argument, with the mask that Keras keeps of the first."""

    def __init__(self, repeats):
        super().__init__(autocast=False)
        self.supports_masking = True
        self.repeats = repeats

    def call(self, source, values):
        return values

    def compute_mask(self, inputs, previous_mask):
        if previous_mask is None or self.repeats == 1:
            return previous_mask
        return ops.repeat(previous_mask, self.repeats, axis=0)


def like(values, source, repeats=1):
    """`values`, with the mask of the tensor that they were made of.

    Operations forget the mask of a tensor; only layers hand it on.

    Args:
        values: tensor `(repeats batch, ...)`.
        source: tensor `(batch, ...)`, with a mask or without.
        repeats: integer, how often each row stands in `values`.

    Returns:
        Tensor as `values`.
    """
    return Like(repeats)(source, values=values)
