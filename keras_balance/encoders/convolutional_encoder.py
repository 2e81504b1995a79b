"""A small convolutional encoder for demos and tests."""

import keras
from keras import layers

from keras_balance.encoders.data_format import check_data_format
from keras_balance.encoders.frames import over_frames
from keras_balance.encoders.frames import split_shape


def convolutional(
    input_shape,
    filters=(16, 32),
    features=64,
    batch_normalization=True,
    data_format=None,
    name=None,
):
    """Build blocks of convolution, normalisation, ReLU and max pooling.

    Each block halves height and width (3 x 3 kernels, stride 1, then 2 x 2
    pooling); the average over space (and time) goes through a dense layer.

    Args:
        input_shape: as in `resnet18`: (height, width, channels) with the
            number of frames in front for clips, channels where `data_format`
            puts them.
        filters: tuple of ints, one per block.
        features: int, size of the output.
        batch_normalization: bool. With it, convolutions have no bias.
        data_format: "channels_last", "channels_first", or None for
            `keras.config.image_data_format()`.
        name: optional name of the model.

    Returns:
        A functional `keras.Model`, (batch, *input_shape) ->
        (batch, features), features >= 0 (after a ReLU).

    Raises:
        ValueError: a shape or the data format is not one of these.
    """
    frames, image_shape = split_shape(input_shape)
    data_format = check_data_format(data_format)
    axis = -1 if data_format == "channels_last" else 1
    x = inputs = keras.Input(image_shape)
    for count in filters:
        x = layers.Conv2D(
            count,
            3,
            padding="same",
            use_bias=not batch_normalization,
            kernel_initializer="he_normal",
            data_format=data_format,
        )(x)
        if batch_normalization:
            # As torch and KerasHub have it: short runs need recent statistics.
            x = layers.BatchNormalization(axis=axis, momentum=0.9)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2, padding="same", data_format=data_format)(x)
    x = layers.GlobalAveragePooling2D(data_format=data_format)(x)
    outputs = layers.Dense(features, activation="relu")(x)
    encoder = keras.Model(
        inputs, outputs, name=name if frames is None else "frame"
    )
    return over_frames(encoder, frames, name)
