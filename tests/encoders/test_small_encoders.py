"""The encoders of demos and tests, and the registry of names."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from keras_balance import encoders

CASES = {
    "image": (encoders.convolutional, (20, 24, 1), {}),
    "clip": (encoders.convolutional, (3, 20, 24, 3), {}),
    "clip_without_normalisation": (
        encoders.convolutional,
        (2, 9, 11, 1),
        {"batch_normalization": False, "filters": (4,)},
    ),
    "vector": (encoders.dense, (7,), {"features": 64}),
    "matrix": (
        encoders.dense,
        (7, 5),
        {"features": 64, "batch_normalization": True, "units": (8, 8)},
    ),
}


def build(case):
    function, shape, kwargs = CASES[case]
    if function is encoders.convolutional:
        kwargs = {"data_format": "channels_last", **kwargs}
    return function(shape, name="eye", **kwargs), shape


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("case", CASES)
def test_shape_training_and_reload(case, tmp_path):
    model, shape = build(case)
    assert model.output_shape == (None, 64) and model.name == "eye"
    x = noise(6, *shape)
    model.compile(keras.optimizers.SGD(0.01), loss="mse")
    loss = model.fit(x, noise(6, 64), epochs=5, verbose=0).history["loss"]
    assert loss[-1] < loss[0]
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), loaded.predict(x, verbose=0)
    )


@pytest.mark.parametrize("case", CASES)
def test_no_bias_before_batch_normalisation(case):
    model, _ = build(case)
    inner = [model, *[getattr(x, "encoder", None) for x in model.layers]]
    layers = [y for x in inner if x is not None for y in x.layers]
    for layer, following in zip(layers, layers[1:], strict=False):
        if isinstance(following, keras.layers.BatchNormalization):
            assert not layer.use_bias


def test_an_integer_shape():
    assert encoders.dense(4).input_shape == (None, 4)


def test_channels_first_has_the_same_weights():
    before = keras.config.image_data_format()
    shapes = {"channels_last": (2, 9, 8, 3), "channels_first": (2, 3, 9, 8)}
    counts = []
    for data_format, shape in shapes.items():
        keras.config.set_image_data_format(data_format)
        try:
            model = encoders.convolutional(shape)
        finally:
            keras.config.set_image_data_format(before)
        assert model.output_shape == (None, 64)
        counts.append(model.count_params())
    assert counts[0] == counts[1]


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="TensorFlow has no channels-first convolution on a CPU",
)
def test_channels_first_equals_channels_last():
    last = encoders.convolutional((2, 9, 8, 3), data_format="channels_last")
    first = encoders.convolutional((2, 3, 9, 8), data_format="channels_first")
    first.set_weights(last.get_weights())
    x = noise(4, 2, 9, 8, 3)
    np.testing.assert_allclose(
        ops.convert_to_numpy(last(x)),
        ops.convert_to_numpy(first(x.transpose(0, 1, 4, 2, 3))),
        atol=1e-5,
    )


def test_frames_share_one_batch_for_normalisation():
    model, _ = build("clip")
    inner = model.layers[-1].encoder
    x = noise(4, 3, 20, 24, 3)
    result = model(x, training=True)
    images = inner(x.reshape(12, 20, 24, 3), training=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(result),
        ops.convert_to_numpy(images).reshape(4, 3, 64).mean(axis=1),
        atol=1e-5,
    )


def test_registry():
    assert encoders.names() == ["convolutional", "dense", "resnet18"]
    for name in encoders.names():
        assert encoders.get(name) is getattr(encoders, name)
        assert callable(getattr(encoders, name))
    with pytest.raises(
        ValueError, match="encoder must be one of convolutional"
    ):
        encoders.get("resnet")
    with pytest.raises(AttributeError):
        _ = encoders.nothing


@pytest.mark.parametrize("folder", ["encoders", "optimizers", "preprocessing"])
def test_importing_the_folder_does_not_import_keras(folder):
    code = f"import keras_balance.{folder}, sys; print('keras' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
