"""InfoReg: numbers, training steps in plain torch, and the window."""

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
from keras_balance.methods import inforeg

NAMES = ("audio", "text")


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def pull(totals, betas):
    found = inforeg.pull_coefficients(
        ops.convert_to_tensor(np.array(totals, "float32")),
        ops.convert_to_tensor(np.array(betas, "float32")),
    )
    return numpy(found)


def test_coefficients_of_the_fact_sheet():
    # Sums over 64 rows: tanh is 1.
    np.testing.assert_allclose(
        pull([40, 20], [0.95, 0.1]), [2.582368, 0], atol=1e-6
    )
    np.testing.assert_allclose(
        pull([20, 40], [0.95, 0.1]), [0, 0.271828], atol=1e-6
    )
    expected = 0.95 * np.exp(np.tanh(0.25))
    np.testing.assert_allclose(
        pull([0.75, 0.5], [0.95, 0.95]), [expected, 0], atol=1e-6
    )
    np.testing.assert_array_equal(pull([0.5, 0.5], [1, 1]), [0, 0])
    # Of three, each that is above the mean of the others.
    expected = [np.exp(np.tanh(0.45)), np.exp(np.tanh(0.3)), 0]
    np.testing.assert_allclose(
        pull([0.8, 0.7, 0.0], [1, 1, 1]), expected, atol=1e-6
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.floats(0.0, 3.0))
def test_only_those_ahead_are_pulled(seed, count, beta):
    totals = np.random.default_rng(seed).uniform(0, 64, count)
    found = pull(totals, [beta] * count)
    ahead = totals > totals.mean()
    assert (found[~ahead] == 0).all()
    assert (found >= 0).all() and (found <= beta * np.e + 1e-5).all()
    if beta > 1e-3:
        assert (found[ahead] >= 0.999 * beta).all()


def test_growth_of_the_information():
    traces = np.zeros((2, 4))
    np.testing.assert_array_equal(inforeg.growth(traces, 0), [1, 1])
    # An encoder that is frozen learns nothing.
    traces[:, 3] = [2.0, 0.0]
    np.testing.assert_array_equal(inforeg.growth(traces, 1), [1, 0])
    traces = np.array([[1, 3, 3, 5], [4, 4, 2, 2]])
    np.testing.assert_allclose(inforeg.growth(traces, 9), [0.5, -1])


def make(modalities=NAMES, **arguments):
    return networks.model(
        table.Row("inforeg"),
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        **arguments,
    )


class Expected:
    """The equations once more, with momentum."""

    def __init__(self, model, betas, span, code):
        self.network = plain_torch.Network(model)
        self.betas, self.span, self.code = betas, span, code
        self.traces = {name: [] for name in self.network.names}
        self.logits = self.network.heads if model.heads else self.network.split

    def begin_epoch(self):
        self.start = {
            id(v): t.detach().clone() for v, t in self.network.parameters
        }
        k = {}
        for name, past in self.traces.items():
            last, before = past[-self.span :], past[: -self.span]
            before = sum(before[-self.span :]) / self.span
            last = sum(last) / self.span
            k[name] = (last - before) / last if past else 1.0
        if self.code:
            k = dict.fromkeys(k, k[self.network.names[0]])
        self.window = {name: value > 0.05 for name, value in k.items()}
        for past in self.traces.values():
            past.append(0.0)

    def step(self, x, y, weight):
        network, complete = self.network, torch.tensor(weight)
        features, loss = {}, 0.0
        for name in network.names:
            present = torch.tensor(
                x.get(f"{name}_present", np.ones(len(y))).astype("float64")
            )
            complete = complete * present
            features[name] = network.encode(name, x[name]) * present[:, None]
        unimodal = self.logits(features)
        fused = network.fuse(features)
        loss = plain_torch.cross_entropy(fused, y, weight)
        sums = {}
        for name, u in unimodal.items():
            own = weight * x.get(f"{name}_present", np.ones(len(y)))
            rows = own * weight.sum() / own.sum()
            loss = loss + plain_torch.cross_entropy(u, y, rows)
            p = torch.softmax(u, 1)[torch.arange(len(y)), y]
            sums[name] = float((complete * p).sum())
        network.backward(loss)
        used = self.regulate(sums, float(complete.sum()))
        network.descend()
        return float(loss.detach()), used

    def regulate(self, sums, count):
        used = {}
        for i, name in enumerate(self.network.names):
            if not self.code:
                self.measure(name)
            others = [s for other, s in sums.items() if other != name]
            ahead = sums[name] - sum(others) / len(others)
            ahead = ahead if self.code else ahead / count
            used[name] = 0.0
            if ahead > 0 and self.window[name]:
                used[name] = self.betas[i] * np.exp(np.tanh(ahead))
            for v in self.network.model.encoders[name].trainable_variables:
                t = self.network[v]
                way = t.detach() - self.start[id(v)]
                t.grad = t.grad + used[name] * way
            if self.code:
                self.measure(name)
        return used

    def measure(self, name):
        for v in self.network.model.encoders[name].trainable_variables:
            if v.ndim > 1:
                square = (self.network[v].grad ** 2).mean()
                self.traces[name][-1] += float(square)


CASES = {
    "paper": ({}, NAMES, [0.95, 0.95], False),
    "code": ({"variant": "code"}, NAMES, [0.95, 0.1], False),
    "own betas": (
        {"beta": {"audio": 0.3, "text": 2.0}},
        NAMES,
        [0.3, 2.0],
        True,
    ),
    "heads": ({"beta": 2.0, "heads": True}, NAMES, [2.0, 2.0], False),
    "three": ({}, ("visual", "text", "audio"), [0.95] * 3, False),
}


@pytest.mark.parametrize("case", CASES)
def test_training_is_that_of_the_equations(case):
    arguments, names, betas, weighted = CASES[case]
    model = make(names, span=2, **arguments)
    x, y = networks.data(rows=48, modalities=names, seed=3)
    weight = np.ones(len(y))
    if weighted:
        weight = 0.5 + np.arange(len(y)) % 3
        x["audio_present"] = np.arange(len(y)) % 4 != 0
        x["audio"][~x["audio_present"]] = 0
    code = arguments.get("variant") == "code"
    expected = Expected(model, betas, 2, code)
    epochs = 6
    history = model.fit(
        x,
        y,
        sample_weight=weight.astype("float32"),
        batch_size=16,
        epochs=epochs,
        shuffle=False,
        verbose=0,
    ).history
    losses, used = [], []
    x = networks.filled(x, 16)
    for _ in range(epochs):
        expected.begin_epoch()
        for start in range(0, 48, 16):
            rows = slice(start, start + 16)
            part = {k: v[rows] for k, v in x.items()}
            loss, pulls = expected.step(part, y[rows], weight[rows])
            losses.append(loss)
            used.append(list(pulls.values()))
    expected.network.assert_same()
    np.testing.assert_allclose(
        history["loss"], np.reshape(losses, (epochs, 3)).mean(1), rtol=2e-5
    )
    used = np.reshape(used, (epochs, 3, -1)).mean(1)
    for i, name in enumerate(names):
        np.testing.assert_allclose(
            history[f"{name}_coefficient"], used[:, i], atol=1e-4
        )
        np.testing.assert_allclose(
            3 * np.array(history[f"{name}_fisher"]),
            expected.traces[name],
            rtol=1e-4,
        )
    assert used.max() > 0


def test_the_first_batch_of_an_epoch_is_not_pulled():
    x, y = networks.data(rows=16, modalities=NAMES)
    weights = []
    for beta in (0.0, 50.0):
        model = make(beta=beta)
        # One batch an epoch: there is never a way back.
        history = model.fit(x, y, batch_size=16, epochs=3, verbose=0).history
        weights.append(networks.weights(model))
    assert max(max(history[f"{name}_coefficient"]) for name in NAMES) > 10
    assert networks.difference(*weights) < 1e-6


def test_the_window_closes_and_is_saved(tmp_path):
    x, y = networks.data(rows=32, modalities=NAMES)
    closed = make(threshold=1.0)
    history = closed.fit(x, y, epochs=2, verbose=0).history
    for name in NAMES:
        assert history[f"{name}_coefficient"] == [0, 0]
    model = make(span=1)
    options = {"batch_size": 8, "shuffle": False, "verbose": 0}
    model.fit(x, y, epochs=3, **options)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert int(numpy(loaded.epochs)) == 3
    np.testing.assert_array_equal(numpy(model.traces), numpy(loaded.traces))
    for one in (model, loaded):
        one.fit(x, y, epochs=6, initial_epoch=3, **options)
    weights = networks.weights(model), networks.weights(loaded)
    assert networks.difference(*weights) == 0


def test_batches_without_an_epoch_are_not_pulled():
    """There is nothing to go back to."""
    x, y = networks.data(rows=16, modalities=NAMES)
    weights = []
    for beta in (0.0, 5.0):
        model = make(beta=beta)
        for _ in range(3):
            model.train_on_batch(x, y)
        weights.append([numpy(v) for v in model.trainable_variables])
    assert networks.difference(*weights) == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"beta": -1.0}, "Received: beta=-1.0"),
        ({"beta": {"audio": 1.0}}, "one for each of"),
        ({"beta": {"audio": 1.0, "text": -1.0}}, r"beta\['text'\]=-1.0"),
        ({"span": 0}, "Received: span=0"),
        ({"threshold": "low"}, "Received: threshold='low'"),
        ({"variant": "book"}, "Received: variant='book'"),
        ({"fusion": "gated"}, "has none"),
    ],
)
def test_what_is_refused(arguments, message):
    encoders = {name: networks.encoder(name) for name in NAMES}
    with pytest.raises(ValueError, match=message):
        kb.InfoReg(encoders, 3, **arguments)
