"""`kb.evaluation.outputs` over everything that `fit` takes."""

import types

import keras
import numpy as np
import pytest

from keras_balance.evaluation import outputs

SAMPLES = 10


class Stub(keras.Model):
    """Two dense encoders whose logits add up; dropout to catch training."""

    def __init__(self, unimodal=True):
        super().__init__()
        self.modalities = ("audio", "visual")
        self.encoders = {m: keras.layers.Dense(4) for m in self.modalities}
        self.heads = {m: keras.layers.Dense(3) for m in self.modalities}
        self.dropout = keras.layers.Dropout(0.9)
        self.norm = keras.layers.BatchNormalization()
        self.unimodal = unimodal
        self.traced = 0

    def forward_pass(self, x, training=False):
        self.traced += 1
        features = {
            m: self.dropout(self.encoders[m](x[m]), training=training)
            for m in self.modalities
        }
        features["audio"] = self.norm(features["audio"], training=training)
        unimodal = {m: self.heads[m](features[m]) for m in self.modalities}
        return types.SimpleNamespace(
            features=features,
            unimodal=unimodal if self.unimodal else {},
            logits=unimodal["audio"] + unimodal["visual"],
            present={},
        )

    def call(self, x, training=False):
        return self.forward_pass(x, training).logits


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, batch_size):
        super().__init__(workers=1)
        self.data = x, y
        self.batch_size = batch_size

    def __len__(self):
        return -(-len(self.data[1]) // self.batch_size)

    def __getitem__(self, index):
        x, y = self.data
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return {name: value[rows] for name, value in x.items()}, y[rows]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = {
        "audio": rng.normal(size=(SAMPLES, 5)).astype("float32"),
        "visual": rng.normal(size=(SAMPLES, 6)).astype("float32"),
    }
    return x, rng.integers(0, 3, SAMPLES).astype("int32")


@pytest.fixture(scope="module")
def model(data):
    model = Stub()
    model({name: value[:1] for name, value in data[0].items()})
    return model


def _listed(x, y):
    batches = Batches(x, y, 4)
    return [batches[index] for index in range(len(batches))]


def _weighted(x, y):
    return [(*batch, np.zeros(len(batch[1]))) for batch in _listed(x, y)]


def _column_labels(x, y):
    return [(x, y[:, None]) for x, y in _listed(x, y)]


FORMS = {
    "PyDataset": lambda x, y: Batches(x, y, 4),
    "arrays": lambda x, y: (x, y),
    "list": _listed,
    "generator": lambda x, y: iter(_listed(x, y)),
    "weighted": _weighted,
    "column labels": _column_labels,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(model, data, form):
    x, y = data
    found = outputs(model, FORMS[form](x, y), batch_size=4)
    expected = model.forward_pass(x)
    assert set(found) == {
        "labels",
        "logits",
        "unimodal/audio",
        "unimodal/visual",
        "features/audio",
        "features/visual",
    }
    np.testing.assert_array_equal(found["labels"], y)
    _assert_close(found["logits"], expected.logits)
    for name in model.modalities:
        _assert_close(found[f"unimodal/{name}"], expected.unimodal[name])
        _assert_close(found[f"features/{name}"], expected.features[name])


def test_a_tf_data_pipeline(model, data):
    tf = pytest.importorskip("tensorflow", reason="needs tf.data")
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(4)
    found = outputs(model, dataset)
    np.testing.assert_array_equal(found["labels"], data[1])
    _assert_close(found["logits"], model.forward_pass(data[0]).logits)


def test_an_unbuilt_model_without_unimodal_logits(data):
    found = outputs(Stub(unimodal=False), data)
    assert set(found) == {
        "labels",
        "logits",
        "features/audio",
        "features/visual",
    }
    assert found["logits"].shape == (SAMPLES, 3)


def test_forward_pass_runs_in_python_once_a_batch_at_most(data):
    model = Stub()
    outputs(model, data, batch_size=1)
    # Twice more, to build the model and the one around it.
    assert model.traced <= SAMPLES + 2


def test_the_model_is_left_as_it_was(model, data):
    before = [_numpy(variable) for variable in model.variables]
    names = [variable.path for variable in model.variables]
    outputs(model, data)
    assert [variable.path for variable in model.variables] == names
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, _numpy(variable))


def test_inputs_keep_their_precision_under_a_mixed_policy(data):
    seen = []

    class Watching(Stub):
        def forward_pass(self, x, training=False):
            seen.append(keras.backend.standardize_dtype(x["audio"].dtype))
            return super().forward_pass(x, training)

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = Watching()
        model(data[0])
        seen.clear()
        found = outputs(model, data)
    finally:
        keras.config.set_dtype_policy(policy)
    assert set(seen) == {"float32"}
    assert {found[name].dtype.name for name in found} == {"float32", "int32"}


class Endless(Batches):
    num_batches = None


BAD = {
    "no batch": (lambda x, y: [], ValueError, "at least one batch"),
    "no labels": (lambda x, y: [x], ValueError, "without labels"),
    "a number": (lambda x, y: 3, TypeError, "Received: data=3"),
    "lengths": (lambda x, y: (x, y[:3]), ValueError, r"lengths=\[3, 10\]"),
    "endless": (lambda x, y: Endless(x, y, 4), ValueError, "num_batches=None"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data(model, data, case):
    make, error, message = BAD[case]
    with pytest.raises(error, match=message):
        outputs(model, make(*data))


def _numpy(variable):
    return np.array(keras.ops.convert_to_numpy(variable))


def _assert_close(found, expected):
    expected = keras.ops.convert_to_numpy(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
