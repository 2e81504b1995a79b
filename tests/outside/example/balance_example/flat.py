"""An encoder without layers to train."""

import keras


def flat(input_shape):
    """Build a functional `keras.Model` that flattens its input."""
    inputs = keras.Input(tuple(input_shape))
    return keras.Model(inputs, keras.layers.Flatten()(inputs))
