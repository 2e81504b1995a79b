"""A fusion comes back from its configuration, alone and inside a model."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_balance as kb
from keras_balance import fusions

ARGUMENTS = {
    "concat": {},
    "sum": {},
    "film": {},
    "gated": {"units": 7},
    "late-linear": {},
    "late-mlp": {"units": (7, 6)},
    "low-rank": {"rank": 3},
    "mean": {},
    "mid-mlp": {"units": 7, "depth": 3, "dropout": 0.2},
    "shared": {"units": (7,)},
    "symmetric-film": {},
    "symmetric-gated": {"units": 7},
    "transformer": {
        "units": 8,
        "num_layers": 1,
        "num_heads": 2,
        "dropout": 0.2,
    },
}


def widths(name):
    """Of the features of two modalities."""
    return (4, 4) if name == "shared" else (4, 5)


@pytest.fixture(params=ARGUMENTS)
def name(request):
    return request.param


def make(name):
    return fusions.get(
        name,
        num_classes=3,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.3, seed=5),
        name="the_fusion",
        **ARGUMENTS[name],
    )


def test_names_are_classes(name):
    assert set(ARGUMENTS) == set(fusions.names())
    assert isinstance(make(name), fusions.Fusion)
    expected = "concat" if name == "late-linear" else name.replace("-", "")
    assert type(make(name)).__name__.lower() == expected


def test_configuration_round_trip(name):
    fusion = make(name)
    config = keras.saving.serialize_keras_object(fusion)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(fusion)
    assert again.get_config() == fusion.get_config()
    assert again.num_classes == 3
    assert again.name == "the_fusion"
    assert again.kernel_initializer.stddev == 0.3
    for argument, value in ARGUMENTS[name].items():
        assert getattr(again, argument) == value
    shapes = [(None, width) for width in widths(name)]
    fusion.build(shapes)
    again.build(shapes)
    again.set_weights(fusion.get_weights())
    random = np.random.default_rng(0)
    z = [
        ops.convert_to_tensor(random.normal(size=(2, s[1])), "float32")
        for s in shapes
    ]
    np.testing.assert_array_equal(
        ops.convert_to_numpy(fusion(z)), ops.convert_to_numpy(again(z))
    )


def test_inside_a_saved_model(name, tmp_path):
    audio, text = map(keras.layers.Dense, widths(name))
    encoders = {
        "audio": keras.Sequential([keras.Input((2,)), audio]),
        "text": keras.Sequential([keras.Input((3,)), text]),
    }
    model = kb.JointTraining(encoders, num_classes=3, fusion=make(name))
    random = np.random.default_rng(0)
    x = {
        "audio": random.normal(size=(4, 2)),
        "text": random.normal(size=(4, 3)),
    }
    x = {k: v.astype("float32") for k, v in x.items()}
    logits = model(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.fusion.get_config() == model.fusion.get_config()
    assert loaded.modalities == ("audio", "text")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(loaded(x)), ops.convert_to_numpy(logits)
    )


def test_two_kernels_of_a_seeded_initializer_differ():
    """One initializer object for all maps would make them equal."""
    fusion = fusions.get("sum", num_classes=3)
    fusion.build([(None, 4), (None, 4)])
    first, second = (ops.convert_to_numpy(h.kernel) for h in fusion.heads)
    assert np.abs(first - second).max() > 0.01
