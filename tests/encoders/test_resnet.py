"""ResNet-18: shapes, parameters, initialisation, and torch as an oracle."""

import importlib
import sys

import keras
import numpy as np
import pytest
from keras import ops

from keras_balance import encoders
from keras_balance.encoders import resnet

HUB = pytest.mark.skipif(
    importlib.util.find_spec("keras_hub") is None,
    reason="keras-hub is not installed",
)
# Without the classifier: torchvision's 11,689,512 less 513,000.
TRAINABLE = 11_176_512
STATISTICS = 9_600
STEM = 7 * 7 * 64


def build(shape, **kwargs):
    return encoders.resnet18(shape, data_format="channels_last", **kwargs)


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@HUB
@pytest.mark.parametrize("channels", [1, 3])
def test_parameters_are_torchvisions(channels):
    model = build((64, 48, channels))
    trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert trainable == TRAINABLE - (3 - channels) * STEM
    assert model.count_params() == trainable + STATISTICS


@HUB
def test_shapes():
    assert build((257, 188, 1)).output_shape == (None, 512)
    clips = build((3, 32, 40, 3), name="visual")
    assert clips.input_shape == (None, 3, 32, 40, 3)
    assert clips.output_shape == (None, 512) and clips.name == "visual"
    first = encoders.resnet18((1, 257, 188), data_format="channels_first")
    assert first.input_shape == (None, 1, 257, 188)
    assert first.output_shape == (None, 512)


@HUB
def test_follows_the_configured_data_format():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        model = encoders.resnet18((2, 1, 64, 48))
    finally:
        keras.config.set_image_data_format(before)
    kernel = model.trainable_variables[0]
    assert tuple(kernel.shape) == (7, 7, 1, 64)


@HUB
def test_initialisation_is_kaiming_normal_over_fan_out():
    model = build((64, 48, 3), seed=0)
    convolutions = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert len(convolutions) == 20
    for layer in convolutions:
        assert not layer.use_bias
        kernel = ops.convert_to_numpy(layer.kernel)
        height, width, _, filters = kernel.shape
        expected = np.sqrt(2 / (height * width * filters))
        error = 5 / np.sqrt(2 * kernel.size)
        assert kernel.std() == pytest.approx(expected, rel=error)
        assert abs(kernel.mean()) < 5 * expected / np.sqrt(kernel.size)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            np.testing.assert_array_equal(ops.convert_to_numpy(layer.gamma), 1)
            np.testing.assert_array_equal(ops.convert_to_numpy(layer.beta), 0)


@HUB
def test_seeds():
    def stem(seed):
        kernel = build((32, 32, 1), seed=seed).trainable_variables[0]
        return ops.convert_to_numpy(kernel)

    np.testing.assert_array_equal(stem(1), stem(1))
    # The same on every backend.
    expected = np.random.default_rng(1).standard_normal(
        (7, 7, 1, 64), "float32"
    )
    np.testing.assert_allclose(stem(1), np.sqrt(2 / STEM) * expected, rtol=1e-6)
    assert np.abs(stem(1) - stem(2)).max() > 0.01
    keras.utils.set_random_seed(5)
    first = stem(None)
    assert np.abs(first - stem(None)).max() > 0.01
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(first, stem(None))


@HUB
def test_clips_are_averaged_over_their_frames():
    clips = build((3, 32, 40, 3), seed=0)
    images = build((32, 40, 3), seed=0)
    x = noise(2, 3, 32, 40, 3)
    expected = images(x.reshape(6, 32, 40, 3), training=False)
    expected = ops.convert_to_numpy(expected).reshape(2, 3, 512).mean(axis=1)
    result = ops.convert_to_numpy(clips(x, training=False))
    np.testing.assert_allclose(result, expected, atol=1e-5)


@HUB
def test_saved_and_loaded_without_keras_hub(tmp_path, monkeypatch):
    for shape in [(32, 40, 1), (2, 32, 40, 3)]:
        model = build(shape, seed=0)
        path = str(tmp_path / "model.keras")
        model.save(path)
        monkeypatch.setitem(sys.modules, "keras_hub", None)
        loaded = keras.models.load_model(path)
        monkeypatch.undo()
        x = noise(2, *shape)
        np.testing.assert_array_equal(
            ops.convert_to_numpy(model(x)), ops.convert_to_numpy(loaded(x))
        )


def torch_resnet18(model, x):
    """The network of the paper in training mode, written with torch."""
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    functional = torch.nn.functional
    kernels = [
        np.ascontiguousarray(
            ops.convert_to_numpy(layer.kernel).transpose(3, 2, 0, 1)
        )
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    # Channels in and out, size, tell which kernel comes next.
    remaining = list(map(torch.tensor, kernels))

    def convolve(x, filters, size, stride):
        for i, kernel in enumerate(remaining):
            if tuple(kernel.shape) == (filters, x.shape[1], size, size):
                del remaining[i]
                break
        x = functional.conv2d(x, kernel, stride=stride, padding=size // 2)
        return functional.batch_norm(x, None, None, training=True)

    x = torch.tensor(x.transpose(0, 3, 1, 2))
    x = functional.relu(convolve(x, 64, 7, 2))
    x = functional.max_pool2d(x, 3, 2, 1)
    for stage, filters in enumerate([64, 128, 256, 512]):
        for block in range(2):
            stride = 2 if stage and not block else 1
            shortcut = convolve(x, filters, 1, 2) if stride == 2 else x
            y = functional.relu(convolve(x, filters, 3, stride))
            x = functional.relu(convolve(y, filters, 3, 1) + shortcut)
    assert not remaining
    return x.mean(dim=(2, 3)).numpy()


@HUB
def test_forward_pass_equals_torch():
    model = build((64, 64, 3), seed=0)
    x = noise(4, 64, 64, 3)
    result = ops.convert_to_numpy(model(x, training=True))
    np.testing.assert_allclose(result, torch_resnet18(model, x), atol=2e-3)


def test_without_keras_hub_the_message_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    monkeypatch.setitem(sys.modules, "keras_hub.models", None)
    with pytest.raises(resnet.KerasHubMissing, match="--no-deps keras-hub"):
        resnet.resnet18((32, 32, 1))
    assert issubclass(resnet.KerasHubMissing, ImportError)


@pytest.mark.parametrize(
    "shape", [(32, 32), (None, 32, 1), (1, 2, 3, 4, 5), (0, 32, 1)]
)
def test_bad_shapes(shape):
    with pytest.raises(ValueError, match="expected input_shape"):
        encoders.resnet18(shape)
