"""Preprocessing layers: in float32 always, in the compiled step, saved."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_balance as kb

TYPES = []


@keras.saving.register_keras_serializable("tests")
class Centred(layers.Layer):
    """x - offset, which float16 would not hold for large x."""

    def __init__(self, offset, **kwargs):
        super().__init__(**kwargs)
        self.offset = offset

    def call(self, x):
        TYPES.append(keras.backend.standardize_dtype(x.dtype))
        return x - self.offset

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "offset": self.offset}


OFFSET = 4096.0


def shifted(data):
    x, y = data()
    return {**x, "audio": x["audio"] + OFFSET}, y


@pytest.fixture(params=["float32", "mixed_float16"])
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    TYPES.clear()
    yield request.param
    keras.config.set_dtype_policy(before)


def stacked():
    return keras.Sequential([layers.Rescaling(1.0), Centred(OFFSET)])


@pytest.mark.parametrize(
    "layer", [lambda: Centred(OFFSET), stacked], ids=["layer", "sequential"]
)
def test_runs_in_float32_and_is_saved(layer, policy, encoders, data, tmp_path):
    x, y = shifted(data)
    model = kb.OGM(encoders(), 3, preprocessing={"audio": layer()})
    model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
    model.fit(x, y, epochs=2, verbose=0)
    assert set(TYPES) == {"float32"}
    path = tmp_path / "model.keras"
    model.save(path)
    TYPES.clear()
    loaded = keras.models.load_model(path)
    assert list(loaded.preprocessing) == ["audio"]
    logits = loaded.predict(x, verbose=0)
    assert set(TYPES) == {"float32"}
    np.testing.assert_array_equal(logits, model.predict(x, verbose=0))
    assert logits.dtype == "float32"
    # The encoders do run in half precision.
    assert loaded.encoders["audio"].layers[-1].compute_dtype == (
        "float16" if policy == "mixed_float16" else "float32"
    )


def test_equals_data_that_is_prepared_before(encoders, data):
    x, y = data()
    raw, _ = shifted(data)
    layer = Centred(OFFSET)
    model = kb.JointTraining(encoders(), 3, preprocessing={"audio": layer})
    plain = kb.JointTraining(encoders(), 3)
    for one in (model, plain):
        one.build({"visual": (None, 4), "audio": (None, 5)})
        one.compile(keras.optimizers.SGD(0.1))
    plain.set_weights(model.get_weights())
    raw["audio"] = raw["audio"].astype("float32")
    prepared = {**x, "audio": raw["audio"] - np.float32(OFFSET)}
    for one, inputs in ((model, raw), (plain, prepared)):
        one.fit(inputs, y, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_random_layers_act_in_training_only(encoders, data):
    x, _ = data()
    noise = layers.GaussianNoise(1.0, seed=0)
    model = kb.JointTraining(encoders(), 3, preprocessing={"audio": noise})
    model.build({"visual": (None, 4), "audio": (None, 5)})

    def features(training):
        outputs = model.forward_pass(x, training=training)
        return ops.convert_to_numpy(outputs.features["audio"])

    np.testing.assert_array_equal(features(False), features(False))
    assert np.abs(features(True) - features(True)).max() > 0.01


def test_absent_rows_are_filled_before_preprocessing(encoders, data):
    x, _ = shifted(data)
    layer = Centred(OFFSET)
    model = kb.JointTraining(encoders(), 3, preprocessing={"audio": layer})
    model.build({"visual": (None, 4), "audio": (None, 5)})
    seen = []
    encoder = model.encoders["audio"]
    call = encoder.call
    encoder.call = lambda x, *a, **k: seen.append(x) or call(x, *a, **k)
    x["audio_present"] = np.arange(16) > 3
    x["audio"][:2] = np.nan
    model.forward_pass(x)
    inputs = ops.convert_to_numpy(seen[0])
    np.testing.assert_allclose(
        inputs[:5], np.tile(x["audio"][4] - OFFSET, (5, 1)), rtol=1e-6
    )
