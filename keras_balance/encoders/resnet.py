"""ResNet-18 as the audio-visual papers use it.

He, Zhang, Ren, Sun, CVPR 2016, arXiv 1512.03385. The network is KerasHub's;
its initialisation is that of the OGM-GE code (CVPR 2022): convolutions Kaiming
normal over fan-out, batch normalisation at scale 1 and shift 0.
"""

import math
import random

import keras
import numpy as np

from keras_balance.data_format import check_data_format
from keras_balance.encoders.frames import over_frames
from keras_balance.encoders.frames import split_shape
from keras_balance.encoders.staged import Staged
from keras_balance.encoders.staged import check_images

# KerasHub requires tensorflow-text, which drags TensorFlow in; ResNet needs
# only what the second command installs.
INSTALL = (
    "pip install keras-hub\n"
    "or, without TensorFlow:\n"
    "pip install --no-deps keras-hub regex tokenizers"
)


class KerasHubMissing(ImportError):
    """KerasHub, which holds the ResNet, cannot be imported."""


def resnet_backbone():
    """Return KerasHub's class, or raise KerasHubMissing with the command."""
    try:
        from keras_hub.models import ResNetBackbone
    except ImportError as error:
        raise KerasHubMissing(
            "expected the package keras-hub, which holds ResNet-18. "
            f"Received: {error}. Install it with\n{INSTALL}"
        ) from error
    return ResNetBackbone


def resnet18(input_shape, data_format=None, seed=None, stages=False, name=None):
    """Build a ResNet-18 encoder, randomly initialised.

    Args:
        input_shape: tuple of ints without the batch: (height, width,
            channels), or (frames, height, width, channels) for clips; with
            `data_format="channels_first"`, (channels, height, width) or
            (frames, channels, height, width). Any number of channels: 1 for
            a spectrogram, 3 for images.
        data_format: "channels_last", "channels_first", or None for
            `keras.config.image_data_format()`.
        seed: int or None. The same seed gives the same weights on every
            backend. None follows `keras.utils.set_random_seed`.
        stages: bool; True for a `Staged` encoder of images: the network's
            four stages, the first with what precedes it, and the average.
        name: optional name of the model.

    Returns:
        A functional `keras.Model` of plain Keras layers,
        (batch, *input_shape) -> (batch, 512): the average over time and
        space. It is saved and loaded without KerasHub.

    Raises:
        KerasHubMissing: KerasHub is not installed (an ImportError).
        ValueError: `input_shape` or `data_format` is not one of these.
    """
    frames, image_shape = split_shape(input_shape)
    data_format = check_data_format(data_format)
    backbone = resnet_backbone()(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[2, 2, 2, 2],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
        use_pre_activation=False,
        image_shape=image_shape,
        data_format=data_format,
    )
    pooled = keras.layers.GlobalAveragePooling2D(
        data_format=data_format, name="average"
    )(backbone.outputs[0])
    # KerasHub's own class would forget the data format when reloaded.
    encoder = keras.Model(
        backbone.inputs[0], pooled, name=name if frames is None else "frame"
    )
    initialize(encoder, seed)
    if stages:
        check_images("resnet18", frames)
        return Staged(_stage_models(backbone, pooled), name=name)
    return over_frames(encoder, frames, name)


def _stage_models(backbone, pooled):
    """Models from the input to the first stage's maps, and on to the next."""
    maps = [backbone.pyramid_outputs[f"P{level}"] for level in range(2, 6)]
    points = [backbone.inputs[0], *maps, pooled]
    return [
        keras.Model(start, end)
        for start, end in zip(points[:-1], points[1:], strict=True)
    ]


def initialize(model, seed=None):
    """Draw the convolutions of a model from Kaiming's normal over fan-out.

    Standard deviation sqrt(2 / fan_out). Drawn by NumPy, so that a seed gives
    the same weights on every backend.
    """
    if seed is None:
        seed = random.randrange(2**32)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            shape = tuple(layer.kernel.shape)
            fan_out = math.prod(shape[:2]) * shape[3]
            scale = math.sqrt(2 / fan_out)
            layer.kernel.assign(scale * rng.standard_normal(shape, "float32"))
