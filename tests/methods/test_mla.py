"""MLA: numbers, training steps in plain torch, and batches of any size."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from keras import ops

import keras_balance as kb
from keras_balance.fusions.shared import Shared
from keras_balance.methods import mla
from keras_balance.models.fit_data import FitData

EAGER = {"run_eagerly": True}
NAMES = ("audio", "text")
ROW = table.Row("mla")
MEAN = np.array([1.0, 2.0, -1.0], "float32")
FIRST = [
    [0.836066, -0.327869, 0.163934],
    [-0.327869, 0.344262, 0.327869],
    [0.163934, 0.327869, 0.836066],
]
SECOND = [
    [0.822185, -0.270957, 0.262489],
    [-0.270957, 0.110923, -0.076207],
    [0.262489, -0.076207, 0.136325],
]
# Two rows of two modalities.
LOGITS = np.array([[[2, 0, 0], [0, 1, 0]], [[0.5, 1, 0], [0, 0, 3]]], "float32")


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def next_projection(projection, mean, alpha):
    return numpy(
        mla.next_projection(
            ops.convert_to_tensor(projection, "float32"),
            ops.convert_to_tensor(mean, "float32"),
            alpha,
        )
    )


def test_the_projection_of_the_fact_sheet():
    first = next_projection(np.eye(3), MEAN, 0.1)
    np.testing.assert_allclose(first, FIRST, atol=1e-6)
    expected = [0.016393, 0.032787, -0.016393]
    np.testing.assert_allclose(first @ MEAN, expected, atol=1e-6)
    assert np.linalg.norm(first) == pytest.approx(1.414309, abs=1e-6)
    second = next_projection(first, np.array([0.0, 1.0, 1.0]), 0.1)
    np.testing.assert_allclose(second, SECOND, atol=1e-6)
    # Of a torch weight (classes, dim), G P; of a Keras kernel, P G'.
    gradient = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    expected = [
        [0.836066, -0.327869, 0.163934],
        [-0.163934, 0.672131, 1.163934],
    ]
    np.testing.assert_allclose((first @ gradient.T).T, expected, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1.0), st.floats(0.1, 30.0))
def test_the_projection_is_symmetric_and_shrinks(seed, alpha, scale):
    random = np.random.default_rng(seed)
    projection = np.eye(6, dtype="float32")
    for _ in range(12):
        old = projection
        mean = scale * random.normal(size=6).astype("float32")
        projection = next_projection(old, mean, alpha)
        np.testing.assert_array_equal(projection, projection.T)
        values = np.linalg.eigvalsh(projection.astype("float64"))
        assert -1e-4 < values.min() and values.max() < 1 + 1e-5
        left = alpha / (alpha + mean @ old @ mean) * (old @ mean)
        np.testing.assert_allclose(projection @ mean, left, atol=1e-3)
    nothing = next_projection(projection, np.zeros(6), alpha)
    np.testing.assert_array_equal(nothing, projection)


def test_alpha_falls_within_an_epoch():
    found = [float(numpy(mla.forgetting(i, 4))) for i in (0, 2, 4, 9)]
    np.testing.assert_allclose(found, [0.1, 0.1**1.5, 0.01, 0.01], rtol=1e-5)
    assert float(numpy(mla.forgetting(7, 0))) == pytest.approx(0.1)


def test_weights_by_entropy():
    weights = numpy(mla.entropy_weights(ops.convert_to_tensor(LOGITS)))
    expected = [[0.587737, 0.352348], [0.412263, 0.647652]]
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    fused = (weights[:, :, None] * LOGITS).sum(0)[0]
    np.testing.assert_allclose(fused, [1.381606, 0.412263, 0], atol=1e-6)
    present = ops.convert_to_tensor(np.array([[1, 0], [0, 0]], "float32"))
    weights = numpy(mla.entropy_weights(ops.convert_to_tensor(LOGITS), present))
    np.testing.assert_allclose(weights, [[1, 0.5], [0, 0.5]])
    sure = ops.convert_to_tensor(LOGITS * 1e4)
    assert np.isfinite(numpy(mla.entropy_weights(sure))).all()


class Expected:
    """The equations once more, with momentum."""

    def __init__(self, model):
        self.network = plain_torch.Network(model)
        self.head = model.fusion.head
        self.projection = torch.eye(5, dtype=torch.float64)

    def step(self, x, y, weight, alpha, projects):
        network, every = (
            self.network,
            {id(v) for v, _ in self.network.parameters},
        )
        losses = []
        for name in network.names:
            present = torch.tensor(
                x.get(f"{name}_present", np.ones(len(y))).astype("float64")
            )
            z = network.encode(name, x[name]) * present[:, None]
            own = weight * present.numpy()
            rows = own * weight.sum() / max(own.sum(), 1e-8)
            loss = plain_torch.cross_entropy(
                network.dense(self.head, z), y, rows
            )
            losses.append(float(loss.detach()))
            network.backward(loss)
            kernel = network[self.head.kernel]
            if projects:
                kernel.grad = self.projection @ kernel.grad
            moving = {id(self.head.kernel), id(self.head.bias)}
            network.descend(still=every - moving - network.owned(name))
            mean = (torch.tensor(own)[:, None] * z.detach()).sum(0)
            self.take_up(mean / max(own.sum(), 1e-8), alpha)
        return sum(losses)

    def take_up(self, mean, alpha):
        k = self.projection @ mean
        self.projection = self.projection - torch.outer(k, k) / (
            alpha + mean @ k
        )

    def predict(self, x):
        with torch.no_grad():
            u = [
                self.network.dense(self.head, z)
                for z in self.network.features(x, training=False).values()
            ]
        p = [torch.softmax(one, 1) for one in u]
        entropies = torch.stack([-(q * q.log()).sum(1) for q in p])
        weights = torch.softmax(-entropies, 0)
        return sum(w[:, None] * one for w, one in zip(weights, u, strict=True))


def make(modalities=NAMES, eagerly=True, **arguments):
    return networks.model(
        ROW,
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments=EAGER if eagerly else None,
        **arguments,
    )


CASES = {
    "paper": ({}, NAMES, {}),
    "code": ({"variant": "code"}, NAMES, {}),
    "three": ({"alpha": 0.5}, ("visual", "text", "audio"), {}),
    "weighted": ({}, NAMES, {"weighted": True, "missing": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_training_is_that_of_the_equations(case):
    arguments, names, options = CASES[case]
    model = make(names, **arguments)
    x, y = networks.data(rows=48, modalities=names, seed=3)
    weight = np.ones(len(y))
    if "weighted" in options:
        weight = 0.5 + np.arange(len(y)) % 3
    if "missing" in options:
        x["audio_present"] = np.arange(len(y)) % 4 != 0
        x["audio"][~x["audio_present"]] = 0
    expected = Expected(model)
    history = model.fit(
        x,
        y,
        sample_weight=weight.astype("float32"),
        batch_size=16,
        epochs=2,
        shuffle=False,
        verbose=0,
    ).history
    projects = arguments.get("variant") != "code"
    x = networks.filled(x, 16)
    losses = []
    for step in range(6):
        rows = slice(step % 3 * 16, step % 3 * 16 + 16)
        alpha = arguments.get("alpha", 0.1 ** (1 + step % 3 / 3))
        part = {k: v[rows] for k, v in x.items()}
        losses.append(
            expected.step(part, y[rows], weight[rows], alpha, projects)
        )
    expected.network.assert_same()
    np.testing.assert_allclose(
        history["loss"], np.reshape(losses, (2, 3)).mean(1), rtol=1e-5
    )
    if projects:
        np.testing.assert_allclose(
            numpy(model.projection), expected.projection.numpy(), atol=1e-5
        )
        assert history["audio_coefficient"][1] < 0.999
    else:
        assert history["audio_coefficient"] == [1, 1]
    if "missing" not in options:
        np.testing.assert_allclose(
            model.predict(x, verbose=0), expected.predict(x), atol=1e-5
        )


def test_predictions_do_not_depend_on_the_batch():
    model = make()
    x, _ = networks.data(rows=12, modalities=NAMES)
    whole = model.predict(x, batch_size=12, verbose=0)
    single = model.predict(x, batch_size=1, verbose=0)
    np.testing.assert_allclose(whole, single, atol=1e-6)
    order = np.random.default_rng(0).permutation(12)
    mixed = model.predict({k: v[order] for k, v in x.items()}, verbose=0)
    np.testing.assert_allclose(mixed, whole[order], atol=1e-6)


def test_fixed_weights_predict_and_are_saved(tmp_path):
    model = make(weights={"audio": 0.55, "text": 0.45})
    x, _ = networks.data(rows=4, modalities=NAMES)
    outputs = model.forward_pass(
        {k: ops.convert_to_tensor(v) for k, v in x.items()}
    )
    logits = {k: numpy(u) for k, u in outputs.unimodal.items()}
    expected = 0.55 * logits["audio"] + 0.45 * logits["text"]
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), expected, atol=1e-6
    )


def test_an_epoch_of_unknown_length_is_as_long_as_the_last():
    model = make()
    x, y = networks.data(rows=32, modalities=NAMES)

    class Stream:
        """Two batches without a length."""

        def __iter__(self):
            return plain_torch.batches(x, y, 16)

    stream = FitData(Stream(), None, None, None, None)
    model.on_epoch_begin(0, stream)
    assert int(numpy(model.length)) == 0
    for part, labels in Stream():
        model.train_on_batch(part, labels)
    model.on_epoch_begin(1, stream)
    assert int(numpy(model.length)) == 2
    assert int(numpy(model.place)) == 0
    model.fit(x, y, batch_size=8, verbose=0)
    assert int(numpy(model.length)) == 4


def test_one_modality_is_not_projected():
    model = make(("audio",))
    assert not model.projects
    x, y = networks.data(rows=16, modalities=("audio",))
    history = model.fit(x, y, epochs=2, verbose=0).history
    assert history["audio_coefficient"] == [1, 1]


def test_a_broken_batch_leaves_the_projection():
    model = make()
    x, y = networks.data(rows=16, modalities=NAMES)
    x["text"][3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.fit(x, y, verbose=0)
    with np.errstate(invalid="ignore"):
        model.train_on_batch(x, y)
    assert np.isfinite(numpy(model.projection)).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"alpha": 0.0}, "Received: alpha=0.0"),
        ({"variant": "book"}, "Received: variant='book'"),
        ({"heads": True}, "Received: heads=True"),
        ({"fusion": "sum"}, "Received: Sum"),
        ({"fusion": Shared(units=(4,))}, "Received: Shared"),
        ({"weights": {"audio": 1.0}}, "a weight for each of"),
        ({"weights": {"audio": 0.0, "text": 0.0}}, "must not all be 0"),
        ({"weights": {"audio": -1.0, "text": 0.0}}, r"weights\['audio'\]=-1.0"),
    ],
)
def test_what_is_refused(arguments, message):
    encoders = {name: networks.encoder(name) for name in NAMES}
    with pytest.raises(ValueError, match=message):
        kb.MLA(encoders, 3, **arguments)


def test_features_of_two_widths_are_refused():
    encoders = {
        "audio": keras.layers.Dense(4),
        "text": keras.layers.Dense(6),
    }
    model = kb.MLA(encoders, 3)
    with pytest.raises(ValueError, match="one width") as error:
        model.build({"audio": (None, 2), "text": (None, 2)})
    assert "[4, 6]" in str(error.value)


def test_a_slightly_negative_eigenvalue_does_not_grow():
    """As rounding may leave one, in a direction that is used up."""
    projection = np.diag([1.0, -1e-4])
    for _ in range(20):
        projection = next_projection(projection, np.array([0.0, 30.0]), 0.01)
    np.testing.assert_allclose(projection, np.diag([1.0, -1e-4]), atol=1e-7)
