"""Shapes that a recipe need not write down."""

import keras


def output_shape(layer, stored):
    """What a front end makes of one stored sample.

    Args:
        layer: Keras layer of the model's preprocessing.
        stored: shape of a sample, without the batch.

    Returns:
        Shape of the result, without the batch: an encoder's `input_shape`.
    """
    batch = keras.KerasTensor((None, *stored))
    return tuple(layer.compute_output_spec(batch).shape[1:])
