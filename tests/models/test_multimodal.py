"""`MultimodalModel`: encoders, fusions, heads, and its configuration."""

import json

import keras
import numpy as np
import pytest
import table
from keras import layers
from keras import ops

import keras_balance as kb

SHAPES = {"visual": (None, 4), "audio": (None, 5)}
FUSIONS = kb.fusions.names()
# The arguments differ from the defaults.
ACROSS_FUSIONS = (
    ("joint", {}),
    ("ogm", {"alpha": 0.3, "window": (1, 4), "variant": "code"}),
    ("mlb", {"alpha": 0.5, "beta_max": 10.0, "variant": "code"}),
)


def cases():
    for slug, arguments in ACROSS_FUSIONS:
        for fusion in FUSIONS:
            extra = {"fusion": fusion}
            if slug == "ogm":
                extra["heads"] = True
            yield pytest.param(
                slug, {**arguments, **extra}, id=f"{slug}-{fusion}"
            )
    for row in table.FEW:
        yield pytest.param(row.slug, row.arguments, id=row.id)


def plain(config):
    """A configuration as it reads in a file: tuples are lists."""
    return json.loads(json.dumps(config))


@pytest.mark.parametrize("slug,arguments", list(cases()))
def test_config_and_file_round_trip(slug, arguments, encoders, data, tmp_path):
    x, _ = data()
    model = kb.methods.create(
        slug, encoders=encoders(), num_classes=3, name="mine", **arguments
    )
    model.build(SHAPES)
    config = model.get_config()
    again = type(model).from_config(config)
    assert plain(again.get_config()) == plain(config)
    assert again.name == "mine"
    assert again.modalities == model.modalities
    for name, value in arguments.items():
        held = again.get_config()[name]
        if name != "fusion":
            assert held == value, name
    again.build(SHAPES)
    again.set_weights(model.get_weights())
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert type(loaded) is type(model)
    assert plain(loaded.get_config()) == plain(config)
    expected = ops.convert_to_numpy(model(x))
    assert expected.shape == (16, 3)
    for one in (again, loaded):
        np.testing.assert_array_equal(ops.convert_to_numpy(one(x)), expected)


def test_every_method_is_in_the_table():
    assert {row.slug for row in table.ROWS} == set(kb.methods.names())


@keras.saving.register_keras_serializable("tests")
class Doubled(layers.Layer):
    """A user's encoder: a layer with sublayers and no `build`."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner = layers.Dense(units)
        # On torch, Keras draws unseeded dropout from a global generator.
        self.drop = layers.Dropout(0.5, seed=1)

    def call(self, x, training=False):
        return 2 * self.drop(self.inner(x), training=training)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("tests")
class Network(keras.Model):
    """A user's encoder: a subclassed model."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = Doubled(3)
        self.normalize = layers.BatchNormalization()

    def call(self, x, training=False):
        return self.normalize(self.inner(x), training=training)


@keras.saving.register_keras_serializable("tests")
class Scaled(kb.fusions.Fusion):
    """A user's fusion: the sum of projections, times a number."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, shapes):
        self.maps = [self.dense(self.num_classes) for _ in shapes]
        for one, shape in zip(self.maps, shapes, strict=True):
            one.build(shape)

    def call(self, features):
        pairs = zip(self.maps, features, strict=True)
        return self.factor * sum(one(z) for one, z in pairs)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@pytest.mark.parametrize("slug", ["joint", "mlb"])
def test_custom_classes_train_and_are_saved(slug, data, tmp_path):
    x, y = data()
    model = kb.methods.create(
        slug,
        encoders={"visual": Doubled(4), "audio": Network()},
        num_classes=3,
        fusion=Scaled(2.5),
    )
    model.compile(keras.optimizers.Adam(0.01), metrics=["accuracy"])
    model.fit(x, y, epochs=2, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert isinstance(loaded.fusion, Scaled) and loaded.fusion.factor == 2.5
    assert isinstance(loaded.encoders["audio"], Network)
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    histories = [
        one.fit(x, y, shuffle=False, verbose=0).history
        for one in (model, loaded)
    ]
    assert histories[0] == histories[1]


@keras.saving.register_keras_serializable("tests")
def smooth(y_true, y_pred):
    return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


def test_a_loss_function_is_saved(make, data, tmp_path):
    x, y = data()
    model = make(compiled={"loss": smooth})
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss_object.function is smooth
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


@pytest.mark.parametrize("slug", ["joint", "ogm", "alternating"])
@pytest.mark.parametrize("source", ["arrays", "dataset"])
def test_fit_alone_builds_the_model(slug, source, make, data, batches):
    """The encoders are not built, and nobody calls `build`."""
    x, y = data()
    model = make(slug)
    assert not model.built and not model.trainable_variables
    given = (x, y) if source == "arrays" else (batches(x, y),)
    history = model.fit(*given, epochs=2, verbose=0).history
    assert model.built and len(model.trainable_variables) in (6, 8)
    assert history["loss"][1] != history["loss"][0]
    assert model.predict(x, verbose=0).shape == (16, 3)


@pytest.mark.parametrize("call", ["evaluate", "predict"])
def test_evaluation_alone_builds_the_model(call, make, data):
    x, y = data()
    model = make("ogm")
    arguments = (x, y) if call == "evaluate" else (x,)
    result = getattr(model, call)(*arguments, verbose=0)
    assert np.isfinite(result).all()


@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("fusion", [*FUSIONS, "custom"])
def test_groups_cover_every_variable_once(fusion, heads, encoders):
    fusion = Scaled() if fusion == "custom" else fusion
    model = kb.JointTraining(encoders(), 3, fusion=fusion, heads=heads)
    model.build(SHAPES)
    groups = model.variable_groups()
    assert len(groups) == 3
    indices = [i for group in groups for i in group]
    assert sorted(indices) == list(range(len(model.trainable_variables)))
    variables = model.trainable_variables
    for group, name in zip(groups, model.modalities, strict=False):
        own = {id(variables[i]) for i in group}
        members = model.encoders[name].trainable_variables
        if heads:
            members = members + model.heads[name].trainable_variables
        assert own >= {id(v) for v in members}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_heads_give_the_unimodal_logits(fusion, encoders, data):
    x, _ = data()
    model = kb.JointTraining(encoders(), 3, fusion=fusion, heads=True)
    model.build(SHAPES)
    outputs = model.forward_pass(x)
    assert list(outputs.unimodal) == ["visual", "audio"]
    for name, logits in outputs.unimodal.items():
        features = ops.convert_to_numpy(outputs.features[name])
        kernel, bias = model.heads[name].get_weights()
        np.testing.assert_allclose(
            ops.convert_to_numpy(logits), features @ kernel + bias, atol=1e-5
        )
    without = kb.JointTraining(encoders(), 3, fusion=fusion)
    without.build(SHAPES)
    assert bool(without.forward_pass(x).unimodal) == without.fusion.splits


def test_absent_rows_have_no_features(encoders, data):
    x, _ = data()
    model = kb.JointTraining(encoders(), 3)
    model.build(SHAPES)
    x["audio_present"] = np.arange(16) % 2 == 0
    outputs = model.forward_pass(x)
    features = ops.convert_to_numpy(outputs.features["audio"])
    assert not features[1::2].any() and features[::2].any(axis=1).all()
    assert list(outputs.present) == ["audio"]
    np.testing.assert_array_equal(
        ops.convert_to_numpy(outputs.present["audio"]), np.arange(16) % 2 == 0
    )
