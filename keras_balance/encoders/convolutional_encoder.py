"""A small convolutional encoder for demos and tests."""

import keras
from keras import layers

from keras_balance.data_format import check_data_format
from keras_balance.encoders.frames import over_frames
from keras_balance.encoders.frames import split_shape
from keras_balance.encoders.staged import Staged
from keras_balance.encoders.staged import check_images


def convolutional(
    input_shape,
    filters=(16, 32),
    features=64,
    batch_normalization=True,
    data_format=None,
    stages=False,
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
        stages: bool; True for a `Staged` encoder of images, a stage for each
            block and one for what follows.
        name: optional name of the model.

    Returns:
        A functional `keras.Model`, (batch, *input_shape) ->
        (batch, features), features >= 0 (after a ReLU).

    Raises:
        ValueError: a shape or the data format is not one of these.
    """
    frames, image_shape = split_shape(input_shape)
    data_format = check_data_format(data_format)
    parts = [
        _block(count, batch_normalization, data_format) for count in filters
    ]
    parts.append(
        [
            layers.GlobalAveragePooling2D(data_format=data_format),
            layers.Dense(features, activation="relu"),
        ]
    )
    if stages:
        check_images("convolutional", frames)
        return Staged(_models(parts, image_shape), name=name)
    x = inputs = keras.Input(image_shape)
    for layer in (layer for part in parts for layer in part):
        x = layer(x)
    encoder = keras.Model(inputs, x, name=name if frames is None else "frame")
    return over_frames(encoder, frames, name)


def _block(count, batch_normalization, data_format):
    """The layers of one block, in order."""
    axis = -1 if data_format == "channels_last" else 1
    block = [
        layers.Conv2D(
            count,
            3,
            padding="same",
            use_bias=not batch_normalization,
            kernel_initializer="he_normal",
            data_format=data_format,
        )
    ]
    if batch_normalization:
        # As torch and KerasHub have it: short runs need recent statistics.
        block.append(layers.BatchNormalization(axis=axis, momentum=0.9))
    block.append(layers.ReLU())
    block.append(
        layers.MaxPooling2D(2, padding="same", data_format=data_format)
    )
    return block


def _models(parts, shape):
    """One functional model for each list of layers, one after another."""
    models = []
    for part in parts:
        x = inputs = keras.Input(shape)
        for layer in part:
            x = layer(x)
        models.append(keras.Model(inputs, x))
        shape = x.shape[1:]
    return models
