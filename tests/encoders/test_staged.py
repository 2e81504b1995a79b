"""Encoders in stages equal those in one piece."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_balance import encoders
from keras_balance.encoders import resnet


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def build(name, **arguments):
    if name == "resnet18":
        try:
            resnet.resnet_backbone()
        except encoders.KerasHubMissing:
            pytest.skip("keras-hub is not installed")
        arguments["seed"] = 3
    return encoders.get(name)(
        (32, 24, 3), data_format="channels_last", **arguments
    )


@pytest.mark.parametrize(
    "name,channels",
    [
        ("convolutional", [16, 32, 64]),
        ("resnet18", [64, 128, 256, 512, 512]),
    ],
)
def test_stages_are_parts_of_the_whole(name, channels, tmp_path):
    whole, staged = build(name), build(name, stages=True)
    x = np.random.default_rng(0).normal(size=(2, 32, 24, 3)).astype("float32")
    staged(x)
    assert [shape[-1] for shape in staged.stage_shapes] == channels
    assert len(staged.stage_shapes[-1]) == 2
    assert len(staged.weights) == len(whole.weights)
    for a, b in zip(staged.weights, whole.weights, strict=True):
        assert a.shape == b.shape
        a.assign(numpy(b))
    for training in (False, True):
        np.testing.assert_allclose(
            numpy(staged(x, training=training)),
            numpy(whole(x, training=training)),
            atol=1e-4,
        )
    inputs = keras.Input((32, 24, 3))
    model = keras.Model(inputs, staged(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numpy(loaded(x)), numpy(model(x)), atol=1e-5)


@pytest.mark.parametrize("name", ["convolutional", "resnet18"])
def test_clips_have_no_stages(name):
    if name == "resnet18":
        build(name)
    with pytest.raises(ValueError, match="clips of 2 frames"):
        encoders.get(name)(
            (2, 32, 24, 3), data_format="channels_last", stages=True
        )
