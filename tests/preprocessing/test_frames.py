"""Frames against Pillow, and crops against torchvision's distribution."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_balance.preprocessing.crops import central_crop
from keras_balance.preprocessing.crops import random_boxes
from keras_balance.preprocessing.crops import resize_matrix
from keras_balance.preprocessing.frames import IMAGENET_MEAN
from keras_balance.preprocessing.frames import IMAGENET_STD
from keras_balance.preprocessing.frames import FrameAugmentation

Image = pytest.importorskip("PIL.Image", reason="Pillow is the oracle")
RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (45, 60, 3), dtype=np.uint8)


def layer(**kwargs):
    arguments = {"size": 16, "data_format": "channels_last", "seed": 1}
    return FrameAugmentation(**{**arguments, **kwargs})


def grey_levels(output):
    """Undo the normalisation."""
    output = ops.convert_to_numpy(output)
    return 255 * (output * np.array(IMAGENET_STD) + np.array(IMAGENET_MEAN))


@pytest.mark.parametrize("size", [8, 50, 90])
@pytest.mark.parametrize(
    "box", [(0, 0, 60, 45), (7, 3, 40, 41), (50, 40, 60, 45), (9, 9, 10, 10)]
)
def test_resampling_equals_pillow(box, size):
    left, top, right, bottom = box

    def matrix(start, end, source):
        return resize_matrix(
            ops.convert_to_tensor([float(start)]),
            ops.convert_to_tensor([float(end - start)]),
            source,
            size,
        )[0]

    rows = ops.convert_to_numpy(matrix(top, bottom, 45))
    columns = ops.convert_to_numpy(matrix(left, right, 60))
    ours = np.einsum("ij,lk,jkc->ilc", rows, columns, NOISE)

    def pillow(image):
        resized = image.resize((size, size), Image.BILINEAR, box=box)
        return np.asarray(resized).astype("float32")

    for channel in range(3):
        exact = pillow(Image.fromarray(NOISE[..., channel].astype("float32")))
        np.testing.assert_allclose(ours[..., channel], exact, atol=1e-3)
    # Of bytes, Pillow rounds the result of each of its two passes.
    rounded = pillow(Image.fromarray(NOISE))
    assert np.abs(np.rint(ours) - rounded).max() <= 1


@pytest.mark.parametrize("size", [16, 64])
def test_inference_resizes_the_whole_frame(size):
    clips = RNG.integers(0, 256, (2, 3, 45, 60, 3), dtype=np.uint8)
    result = layer(size=size)(clips)
    assert tuple(result.shape) == (2, 3, size, size, 3)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    expected = [
        [
            np.asarray(Image.fromarray(f).resize((size, size), Image.BILINEAR))
            for f in clip
        ]
        for clip in clips
    ]
    assert np.abs(grey_levels(result) - np.array(expected)).max() <= 1.01


def test_channels_first_and_single_images():
    clips = RNG.integers(0, 256, (2, 3, 20, 30, 3), dtype=np.uint8)
    last = ops.convert_to_numpy(layer()(clips))
    first = ops.convert_to_numpy(layer(data_format="channels_first")(clips))
    np.testing.assert_allclose(first, last.transpose(0, 1, 4, 2, 3), atol=1e-6)
    images = ops.convert_to_numpy(layer()(clips[:, 0]))
    np.testing.assert_allclose(images, last[:, 0], atol=1e-6)


def test_every_training_frame_is_a_crop_of_its_own():
    frame = np.broadcast_to(NOISE, (4, 3, *NOISE.shape))
    result = ops.convert_to_numpy(layer()(frame, training=True))
    flat = result.reshape(12, -1)
    distances = np.abs(flat[:, None] - flat[None]).max(axis=-1)
    assert (distances[~np.eye(12, dtype=bool)] > 0.1).all()


def test_a_training_crop_is_pillows_of_the_box_drawn():
    # A smooth frame, whose grey levels tell where they are from.
    y, x = np.mgrid[:48, :64]
    frame = np.stack([2 * x, 2 * y, 0 * x], axis=-1).astype("uint8")
    augment = layer(size=24, seed=3)
    clips = np.broadcast_to(frame, (50, 2, *frame.shape))
    result = grey_levels(augment(clips, training=True)).reshape(100, 24, 24, 3)
    twin = keras.random.SeedGenerator(3)
    boxes = random_boxes(100, 48, 64, (0.08, 1.0), (3 / 4, 4 / 3), twin)
    boxes = np.stack([ops.convert_to_numpy(b) for b in boxes], axis=1)
    chance = keras.random.uniform((100,), seed=twin)
    flips = ops.convert_to_numpy(chance) < 0.5
    assert 20 < flips.sum() < 80
    for image, box, flip in zip(result, boxes, flips, strict=True):
        top, left, height, width = box
        expected = Image.fromarray(frame).resize(
            (24, 24),
            Image.BILINEAR,
            box=(left, top, left + width, top + height),
        )
        expected = np.asarray(expected).astype("float32")
        if flip:
            expected = expected[:, ::-1]
        assert np.abs(image - expected).max() <= 1.01


def draw(height, width, count=4000, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)):
    seed = keras.random.SeedGenerator(5)
    boxes = random_boxes(count, height, width, scale, ratio, seed)
    return [ops.convert_to_numpy(b) for b in boxes]


def torchvision_boxes(height, width, count=4000):
    """RandomResizedCrop.get_params, written again with NumPy."""
    rng = np.random.default_rng(9)
    boxes = []
    for _ in range(count):
        for _ in range(10):
            area = height * width * rng.uniform(0.08, 1)
            aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
            w = round(np.sqrt(area * aspect))
            h = round(np.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top = rng.integers(0, height - h + 1)
                left = rng.integers(0, width - w + 1)
                boxes.append((top, left, h, w))
                break
        else:
            h, w = central_crop(height, width, (3 / 4, 4 / 3))
            boxes.append(((height - h) // 2, (width - w) // 2, h, w))
    return np.array(boxes, dtype="float64").T


@pytest.mark.parametrize("shape", [(360, 480), (30, 200)])
def test_boxes_have_torchvisions_distribution(shape):
    ours, theirs = draw(*shape), torchvision_boxes(*shape)
    for a, b in zip(ours, theirs, strict=True):
        # Quantiles of 4000 draws, of whole numbers.
        levels = [0.1, 0.25, 0.5, 0.75, 0.9]
        np.testing.assert_allclose(
            np.quantile(a, levels),
            np.quantile(b, levels),
            atol=1 + 0.05 * np.ptp(b),
        )


@pytest.mark.parametrize("shape", [(360, 480), (7, 5), (2, 300), (300, 2)])
def test_boxes_are_whole_pixels_inside_the_frame(shape):
    top, left, h, w = draw(*shape, count=1000)
    for values in (top, left, h, w):
        np.testing.assert_array_equal(values, np.round(values))
    assert (top >= 0).all() and (left >= 0).all()
    assert (h >= 1).all() and (w >= 1).all()
    assert (top + h <= shape[0]).all() and (left + w <= shape[1]).all()


def test_frames_where_nothing_fits_get_the_central_crop():
    # At ratio 1 and full area no square fits 10 x 40.
    top, left, h, w = draw(10, 40, 20, scale=(1.0, 1.0), ratio=(1.0, 1.0))
    for values, expected in [(top, 0), (left, 15), (h, 10), (w, 10)]:
        np.testing.assert_array_equal(values, expected)
    assert central_crop(40, 10, (0.5, 2)) == (20, 10)
    assert central_crop(10, 12, (0.5, 2)) == (10, 12)


def test_runs_compiled_inside_a_model_under_mixed_float16(tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = keras.Input((2, 20, 30, 3), dtype="uint8")
        augmented = layer()(inputs)
        assert augmented.dtype == "float32"
        x = keras.layers.Flatten()(augmented)
        model = keras.Model(inputs, keras.layers.Dense(2)(x))
        model.compile("sgd", loss="mse")
        x = RNG.integers(0, 256, (5, 2, 20, 30, 3), dtype=np.uint8)
        model.fit(x, np.zeros((5, 2)), batch_size=2, epochs=1, verbose=0)
        path = str(tmp_path / "model.keras")
        model.save(path)
        loaded = keras.models.load_model(path)
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), loaded.predict(x, verbose=0)
    )


def test_config_round_trip():
    first = layer(size=9, scale=(0.5, 0.9), flip=False)
    config = json.loads(json.dumps(first.get_config()))
    assert FrameAugmentation.from_config(config).get_config() == config


def test_bad_arguments():
    for bad in [{"scale": (0, 1)}, {"scale": (0.5, 1.2)}, {"ratio": (2, 1)}]:
        with pytest.raises(ValueError, match="expected 0 < scale"):
            layer(**bad)
    with pytest.raises(ValueError, match="expected data_format"):
        layer(data_format="NHWC")
    with pytest.raises(ValueError, match="expected frames of shape"):
        layer()(np.zeros((2, 8, 8, 4), "uint8"))
