"""Rows that lack a modality, where an encoder is not defined at zero."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_balance as kb
from keras_balance.models import absent

ROWS, STEPS, WIDTH = 16, 6, 4


@keras.saving.register_keras_serializable("test_absent_rows")
class Undefined(layers.Layer):
    """A trainable layer, then what has no value or gradient at zero."""

    def __init__(self, kind, **kwargs):
        super().__init__(**kwargs)
        self.kind = kind
        self.dense = layers.Dense(WIDTH, use_bias=False)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        if self.kind == "log":
            return ops.mean(self.dense(ops.log(ops.abs(x))), axis=1)
        z = self.dense(x)
        if self.kind == "norm":
            return ops.mean(z, axis=1) / ops.sqrt(
                ops.sum(ops.square(z), axis=(1, 2))[:, None]
            )
        return ops.mean(ops.sqrt(ops.square(z) + ops.square(2 * z)), axis=1)

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}


def encoder(kind):
    if kind == "masking":
        return keras.Sequential(
            [
                layers.Masking(),
                layers.Dense(WIDTH),
                layers.GlobalAveragePooling1D(),
            ]
        )
    return keras.Sequential([Undefined(kind)])


def make(slug, kind="norm", **arguments):
    keras.utils.set_random_seed(1)
    model = kb.methods.create(
        slug,
        encoders={
            "audio": encoder(kind),
            "text": keras.Sequential([layers.Flatten(), layers.Dense(WIDTH)]),
        },
        num_classes=3,
        **arguments,
    )
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    return model


def data(filler=0.0, marks=None):
    random = np.random.default_rng(0)
    x = {
        name: random.normal(size=(ROWS, STEPS, 2)).astype("float32")
        for name in ("audio", "text")
    }
    if marks is None:
        marks = np.arange(ROWS) % 3 != 1
    x["audio_present"] = marks
    x["audio"][~marks] = filler
    return x, random.integers(0, 3, ROWS)


def trained(model, x, y, epochs=2):
    model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return [ops.convert_to_numpy(v).copy() for v in model.trainable_variables]


@pytest.mark.parametrize("kind", ["masking", "norm", "log", "magnitude"])
def test_what_is_undefined_at_zero_trains(kind):
    model = make("joint", kind)
    x, y = data()
    model.build({name: (None, *value.shape[1:]) for name, value in x.items()})
    before = [ops.convert_to_numpy(v).copy() for v in model.trainable_variables]
    for old, new in zip(before, trained(model, x, y), strict=True):
        assert np.isfinite(new).all()
        assert np.abs(new - old).max() > 1e-5


METHODS = [
    ("joint", {}),
    ("ogm-ge", {}),
    ("agm", {}),
    ("mla", {}),
    ("igm", {"stage_epochs": 1}),
    ("umt", {"teacher_epochs": 1}),
    ("greedy", {}),
    ("functional-entropy", {}),
    ("mmpareto", {}),
    ("reconboost", {}),
]


@pytest.mark.parametrize(
    ("slug", "arguments"), METHODS, ids=[slug for slug, _ in METHODS]
)
def test_what_absent_rows_hold_does_not_matter(slug, arguments):
    model = make(slug, **arguments)
    x, _ = data()
    model.build({name: (None, *value.shape[1:]) for name, value in x.items()})
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    start = [ops.convert_to_numpy(v).copy() for v in variables]
    host = model.host_state()
    found = []
    for filler in (0.0, np.nan):
        # As it was, and compiled once.
        model.load_host_state(host)
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        found.append(trained(model, *data(filler)))
    for one, two in zip(*found, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, two)


def test_a_batch_without_the_modality():
    model = make("joint")
    x, y = data(np.nan, marks=np.zeros(ROWS, bool))
    model.build({name: (None, *value.shape[1:]) for name, value in x.items()})
    (kernel,) = model.encoders["audio"].trainable_variables
    before = ops.convert_to_numpy(kernel).copy()
    assert all(np.isfinite(w).all() for w in trained(model, x, y))
    np.testing.assert_array_equal(ops.convert_to_numpy(kernel), before)


@pytest.mark.parametrize("some", [True, False])
def test_averages_move_by_present_rows_alone(some):
    keras.utils.set_random_seed(1)
    norm = layers.BatchNormalization(momentum=0.5)
    model = kb.JointTraining(
        encoders={"audio": keras.Sequential([norm])}, num_classes=2
    )
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    x = np.array([[9.0], [2.0], [4.0], [9.0]], "float32")
    marks = np.array([0, 1, 1, 0], bool) & some
    y = np.array([0, 1, 0, 1])
    model.fit({"audio": x, "audio_present": marks}, y, shuffle=False, verbose=0)
    # Rows 0 and 3 are given row 1: the mean of 2, 2, 4 and 2 is 2.5.
    expected = 0.5 * 2.5 if some else 0.0
    mean = ops.convert_to_numpy(norm.moving_mean)
    np.testing.assert_allclose(mean, [expected], rtol=1e-6)


def test_absent_rows_give_zero_features():
    model = make("joint")
    x, _ = data(np.nan)
    outputs = kb.evaluation.outputs(model, (x, np.zeros(ROWS, int)))
    absent_rows = ~x["audio_present"]
    assert (outputs["features/audio"][absent_rows] == 0).all()
    assert (outputs["features/audio"][~absent_rows] != 0).any(axis=1).all()


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_agm_without_absent_rows(variant):
    model = make("agm", "magnitude", variant=variant)
    x, y = data(marks=np.ones(ROWS, bool))
    del x["audio_present"]
    model.build({name: (None, *value.shape[1:]) for name, value in x.items()})
    (kernel,) = model.encoders["audio"].trainable_variables
    before = ops.convert_to_numpy(kernel).copy()
    found = trained(model, x, y, epochs=3)
    assert all(np.isfinite(weights).all() for weights in found)
    assert np.abs(ops.convert_to_numpy(kernel) - before).max() > 1e-4
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model.undefined), [1.0, 0.0]
    )


def test_fill_takes_any_structure():
    x = {"ids": np.array([[7, 7], [1, 2], [3, 4]]), "mask": np.ones((3, 2))}
    found = absent.fill(x, np.array([False, True, True]))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(found["ids"]), [[1, 2], [1, 2], [3, 4]]
    )
    nothing = absent.fill({"ids": x["ids"]}, np.zeros(3))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(nothing["ids"]), np.ones((3, 2))
    )
