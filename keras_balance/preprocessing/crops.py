"""Random boxes and antialiased resampling, as functions of arrays."""

import math

import keras
from keras import ops

TRIES = 10


def resize_matrix(start, length, source, size, flip=None):
    """Weights that resample a stretch of an axis, as Pillow's BILINEAR does.

    The triangle filter is widened by the scale where it shrinks. It reaches
    beyond the stretch where there are pixels, as in `Image.resize(box=...)`.

    Args:
        start, length: float tensors (n,), the stretch in source pixels.
        source: int, size of the source axis.
        size: int, size of the result.
        flip: bool tensor (n,) of those to be mirrored, or None.

    Returns:
        float32 tensor (n, size, source); each row sums to 1.
    """
    i = ops.arange(size, dtype="float32")[None, :]
    if flip is not None:
        i = ops.where(flip[:, None], size - 1 - i, i)
    scale = (length / size)[:, None]
    centre = start[:, None] + (i + 0.5) * scale
    pixel = ops.arange(source, dtype="float32") + 0.5
    distance = ops.abs(pixel[None, None, :] - centre[:, :, None])
    width = ops.maximum(scale, 1.0)[:, :, None]
    weights = ops.maximum(1.0 - distance / width, 0.0)
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def central_crop(height, width, ratio):
    """The largest central (height, width) whose ratio is allowed."""
    if width / height < ratio[0]:
        return round(width / ratio[0]), width
    if width / height > ratio[1]:
        return height, round(height * ratio[1])
    return height, width


def random_boxes(count, height, width, scale, ratio, seed):
    """Draw crops with the distribution of torchvision's RandomResizedCrop.

    Area uniform in `scale`, width / height log-uniform in `ratio`, sizes
    rounded to pixels, position uniform. Of ten candidates the first that
    fits is taken; if none does, the largest allowed central crop.

    Args:
        count: int or scalar tensor, number of boxes.
        height, width: ints, size of the frame.
        scale: pair of floats, fractions of the frame's area.
        ratio: pair of floats.
        seed: `keras.random.SeedGenerator`.

    Returns:
        Four float32 tensors (count,) of whole numbers: top, left, box
        height, box width.
    """

    def uniform(*shape):
        return keras.random.uniform((count, *shape), seed=seed)

    area = height * width * (scale[0] + (scale[1] - scale[0]) * uniform(TRIES))
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = ops.exp(low + (high - low) * uniform(TRIES))
    widths = ops.round(ops.sqrt(area * aspect))
    heights = ops.round(ops.sqrt(area / aspect))
    fits = (widths > 0) & (widths <= width) & (heights > 0)
    fits = fits & (heights <= height)
    first = ops.argmax(ops.cast(fits, "int32"), axis=1)[:, None]
    some = ops.any(fits, axis=1)
    central = central_crop(height, width, ratio)
    h = ops.take_along_axis(heights, first, axis=1)[:, 0]
    w = ops.take_along_axis(widths, first, axis=1)[:, 0]
    h, w = ops.where(some, h, central[0]), ops.where(some, w, central[1])
    place = uniform(2)
    # The minimum guards against a product that rounds up to a whole number.
    top = ops.minimum(ops.floor(place[:, 0] * (height - h + 1)), height - h)
    left = ops.minimum(ops.floor(place[:, 1] * (width - w + 1)), width - w)
    top = ops.where(some, top, (height - central[0]) // 2)
    left = ops.where(some, left, (width - central[1]) // 2)
    return top, left, h, w
