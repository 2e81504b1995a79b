"""Random crops and ImageNet normalisation of video frames."""

import keras
import numpy as np
from keras import ops

from keras_balance.data_format import check_data_format
from keras_balance.preprocessing.crops import random_boxes
from keras_balance.preprocessing.crops import resize_matrix

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable(package="keras_balance")
class FrameAugmentation(keras.layers.Layer):
    """Crop, flip and normalise frames, as the papers' code does.

    In training every frame, also of one clip, gets a random resized crop and
    a horizontal flip of its own, with torchvision's distribution. Otherwise
    the whole frame is resized to a square; its aspect is not kept. Both are
    Pillow's antialiased bilinear resampling, without its rounding to 8 bits;
    at the border of a crop it sees the pixels outside.

    Args:
        size: int, height and width of the result.
        scale: pair of floats in (0, 1], fractions of the frame's area.
        ratio: pair of floats > 0, width / height of the crop.
        flip: bool, whether half of the frames are mirrored in training.
        mean, std: three floats each, of pixels scaled to [0, 1].
        data_format: "channels_last", "channels_first", or None for
            `keras.config.image_data_format()`: of the output.
        seed: int or None.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape: (batch, frames, height, width, 3), channels last, uint8 (or
        floats in 0..255); height and width known. `frames` may be left out.
    Output shape: (batch, frames, size, size, 3) or, channels first,
        (batch, frames, 3, size, size); float32.

    Raises:
        ValueError: `scale` or `ratio` is not such a pair, or the input does
            not have three channels.
    """

    def __init__(
        self,
        size=224,
        scale=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        flip=True,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        data_format=None,
        seed=None,
        **kwargs,
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if not 0 < scale[0] <= scale[1] <= 1 or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(
                "expected 0 < scale[0] <= scale[1] <= 1 and "
                "0 < ratio[0] <= ratio[1]. "
                f"Received: scale={scale}, ratio={ratio}"
            )
        self.size = size
        self.scale = tuple(scale)
        self.ratio = tuple(ratio)
        self.flip = flip
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.data_format = check_data_format(data_format)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        *lead, height, width, channels = x.shape
        if channels != 3 or len(lead) not in (1, 2):
            raise ValueError(
                "expected frames of shape (batch, frames, height, width, 3). "
                f"Received: shape {tuple(x.shape)}"
            )
        images = ops.reshape(x, (-1, height, width, channels))
        images = ops.cast(images, "float32")
        if training:
            images = self.crop(images, height, width)
        else:
            images = self.resize(images, height, width)
        # (x / 255 - mean) / std, in one multiplication and one addition.
        gain = np.float32(1 / (255 * np.array(self.std)))
        shift = np.float32(-np.array(self.mean) / np.array(self.std))
        images = images * gain + shift
        shape = (self.size, self.size, channels)
        if self.data_format == "channels_first":
            images = ops.transpose(images, (0, 3, 1, 2))
            shape = (channels, self.size, self.size)
        return ops.reshape(images, (-1, *lead[1:], *shape))

    def crop(self, images, height, width):
        count = ops.shape(images)[0]
        top, left, h, w = random_boxes(
            count, height, width, self.scale, self.ratio, self.seed_generator
        )
        flip = None
        if self.flip:
            chance = keras.random.uniform((count,), seed=self.seed_generator)
            flip = chance < 0.5
        rows = resize_matrix(top, h, height, self.size)
        columns = resize_matrix(left, w, width, self.size, flip)
        images = ops.einsum("nij,njkc->nikc", rows, images)
        return ops.einsum("nlk,nikc->nilc", columns, images)

    def resize(self, images, height, width):
        def whole(source):
            start = ops.zeros((1,), dtype="float32")
            return resize_matrix(start, start + source, source, self.size)[0]

        images = ops.einsum("ij,njkc->nikc", whole(height), images)
        return ops.einsum("lk,nikc->nilc", whole(width), images)

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "scale": list(self.scale),
            "ratio": list(self.ratio),
            "flip": self.flip,
            "mean": list(self.mean),
            "std": list(self.std),
            "data_format": self.data_format,
            "seed": self.seed,
        }
