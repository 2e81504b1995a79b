"""A small dense encoder for vectors and tests."""

import keras
from keras import layers


def dense(
    input_shape, units=(64,), features=32, batch_normalization=False, name=None
):
    """Build hidden ReLU layers and one linear layer.

    Args:
        input_shape: tuple of ints without the batch; more than one axis is
            flattened. An int means one axis.
        units: tuple of ints, one per hidden layer.
        features: int, size of the output.
        batch_normalization: bool; before each ReLU, whose dense layer then
            has no bias.
        name: optional name of the model.

    Returns:
        A functional `keras.Model`, (batch, *input_shape) ->
        (batch, features), without an activation at the end.
    """
    if isinstance(input_shape, int):
        input_shape = (input_shape,)
    x = inputs = keras.Input(tuple(input_shape))
    if len(input_shape) > 1:
        x = layers.Flatten()(x)
    for count in units:
        x = layers.Dense(
            count,
            use_bias=not batch_normalization,
            kernel_initializer="he_normal",
        )(x)
        if batch_normalization:
            x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    return keras.Model(inputs, layers.Dense(features)(x), name=name)
