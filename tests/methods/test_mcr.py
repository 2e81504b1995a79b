"""MCR: its terms in NumPy, the players' gradients in plain torch."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_balance.methods import mcr

NAMES = ("audio", "text")
SAMPLES = 3
OFF = {"lam": 0.0, "contrastive": 0.0, "bottleneck": 0.0, "unimodal": 0.0}


def make(modalities=NAMES, **arguments):
    return networks.model(
        table.Row("mcr"),
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        **{"seed": 1, "samples": SAMPLES, **arguments},
    )


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def tensor(values):
    return ops.convert_to_tensor(np.array(values, "float32"))


# The terms --------------------------------------------------------------------


def test_divergence():
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    m = (p + q) / 2
    expected = ((p * np.log(p / m)).sum() + (q * np.log(q / m)).sum()) / 2
    one, other = (
        tensor([np.log(p), [0, 0, 0], [300, 0, 0]]),
        tensor([np.log(q) + 5, [2, 2, 2], [0, 300, 0]]),
    )
    found = numpy(mcr.divergence(one, other))
    np.testing.assert_allclose(found, [expected, 0, np.log(2)], atol=1e-6)


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 99))
def test_rows_are_permuted_among_those_that_are_there(there, seed):
    there = np.array(there)
    draws = np.random.default_rng(seed).random((len(there), 4))
    found = numpy(mcr.permutations(tensor(draws), tensor(there)))
    rows = np.arange(len(there))
    for order in found.T:
        assert sorted(order) == rows.tolist()
        assert (there[order] == there).all()
    # Where all are there it is the order of the draws.
    found = numpy(mcr.permutations(tensor(draws), tensor(np.ones(len(there)))))
    np.testing.assert_array_equal(found, draws.astype("float32").argsort(0))


def expected_contrast(z, y, temperature):
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    s = z @ z.T / temperature
    losses = []
    for a in range(len(z)):
        others = [q for q in range(len(z)) if q != a]
        positive = [q for q in others if y[q] == y[a]]
        scale = np.log(np.exp(s[a, others]).sum())
        each = [scale - s[a, p] for p in positive]
        losses.append(np.mean(each) if each else 0.0)
    return losses


def test_contrast():
    random = np.random.default_rng(0)
    z, y = random.normal(size=(7, 4)), np.array([0, 0, 1, 2, 1, 0, 3])
    labels = ops.convert_to_tensor(y.astype("int32"))
    found = numpy(mcr.contrast(tensor(z), labels, tensor(np.ones(7)), 0.5))
    np.testing.assert_allclose(found, expected_contrast(z, y, 0.5), rtol=1e-4)
    # What has no weight is compared with none.
    weight = np.array([1, 1, 1, 1, 1, 0, 0])
    found = numpy(mcr.contrast(tensor(z), labels, tensor(weight), 0.5))
    expected = expected_contrast(z[:5], y[:5], 0.5)
    np.testing.assert_allclose(found[:5], expected, rtol=1e-4)
    alone = mcr.contrast(tensor(z[:1]), labels[:1], tensor([1]), 0.5)
    assert numpy(alone).tolist() == [0]


# Training ---------------------------------------------------------------------


def divergence(clean, changed):
    p, q = clean.softmax(1), changed.softmax(1)
    m = ((p + q) / 2).log()
    return ((p * (p.log() - m)).sum(1) + (q * (q.log() - m)).sum(1)) / 2


def dependences(network, z, orders):
    """J_m of every modality."""
    clean = network.fuse(z)
    found = []
    for name in network.names:
        values = [
            divergence(clean, network.fuse({**z, name: z[name][order]})).mean()
            for order in orders.T
        ]
        found.append(sum(values) / len(values))
    return found


def parts_of(model, name):
    """Ids of the encoder and of what the fusion "sum" has for a modality."""
    layers = [model.encoders[name]]
    layers.append(model.fusion.heads[model.modalities.index(name)])
    return {id(v) for layer in layers for v in layer.trainable_variables}


@pytest.mark.parametrize(
    "strategy, k", [("greedy", -1), ("independent", 0), ("collaborative", 1)]
)
def test_every_player_has_its_own_gradient(strategy, k, monkeypatch):
    draws = np.random.default_rng(5).random((16, SAMPLES)).astype("float32")
    monkeypatch.setattr(mcr.MCR, "draw", lambda self, batch: tensor(draws))
    model = make(fusion="sum", strategy=strategy, **{**OFF, "lam": 3.0})
    network = plain_torch.Network(model)
    x, y = networks.data(rows=64, modalities=NAMES, seed=3)
    history = model.fit(x, y, batch_size=16, shuffle=False, verbose=0).history
    seen = []
    for part, labels in plain_torch.batches(x, y, 16):
        z = network.features(part)
        values = dependences(network, z, draws.argsort(0))
        seen.append([value.item() for value in values])
        loss = plain_torch.cross_entropy(network.fuse(z), labels)
        wanted = [p for _, p in network.parameters]
        gradients = [
            torch.autograd.grad(
                one, wanted, retain_graph=True, allow_unused=True
            )
            for one in (loss, *values)
        ]
        for i, (v, p) in enumerate(network.parameters):
            of_loss, *others = (g[i] for g in gradients)
            p.grad = torch.zeros_like(p) if of_loss is None else of_loss
            for m, name in enumerate(NAMES):
                if id(v) in parts_of(model, name):
                    player = others[m] + k * others[1 - m]
                    p.grad = p.grad - 3.0 * player
        network.descend()
    network.assert_same()
    np.testing.assert_allclose(
        [history[f"{name}_divergence"][0] for name in NAMES],
        np.mean(seen, 0),
        rtol=1e-4,
    )


def test_the_whole_loss_is_that_of_the_equations(monkeypatch):
    draws = np.random.default_rng(5).random((16, SAMPLES)).astype("float32")
    monkeypatch.setattr(mcr.MCR, "draw", lambda self, batch: tensor(draws))
    weights = {
        "lam": 0.7,
        "contrastive": 0.3,
        "bottleneck": 0.2,
        "unimodal": 0.5,
    }
    model = make(strategy="collaborative", **weights)
    network = plain_torch.Network(model)
    first, second = (network[layer.kernel] for layer in model.guesser.layers)
    x, y = networks.data(rows=64, modalities=NAMES, seed=3)
    history = model.fit(x, y, batch_size=16, shuffle=False, verbose=0).history
    losses = []
    for part, labels in plain_torch.batches(x, y, 16):
        z = network.features(part)
        f = network.fuse(z)
        loss = plain_torch.cross_entropy(f, labels)
        for u in network.heads(z).values():
            loss = loss + 0.5 * plain_torch.cross_entropy(u, labels)
        loss = loss - 0.7 * sum(dependences(network, z, draws.argsort(0)))
        joined = torch.cat([z[name] for name in NAMES])
        unit = joined / joined.norm(dim=1, keepdim=True)
        alike = (unit @ unit.T / 0.5).masked_fill(torch.eye(32) > 0, -1e9)
        twice = torch.tensor(np.tile(labels, 2))
        same = (twice[:, None] == twice[None, :]) & ~(torch.eye(32) > 0)
        log_p = alike.log_softmax(1)
        contrast = -(same * log_p).sum(1) / same.sum(1)
        loss = loss + 0.3 * contrast.mean()
        guess = torch.relu(f.detach() @ first) @ second
        wide = torch.cat([z[name] for name in NAMES], 1)
        loss = loss + 0.2 * ((wide - guess) ** 2).mean()
        network.backward(loss)
        network.descend()
        losses.append(loss.item())
    network.assert_same()
    assert history["loss"][0] == pytest.approx(np.mean(losses), rel=1e-5)


def steps(**arguments):
    model = make(**{**OFF, "lam": 3.0, **arguments})
    x, y = networks.data(rows=32, modalities=NAMES)
    model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    return networks.weights(model)


def test_where_the_released_code_differs():
    ways = {
        strategy: networks.difference(
            steps(strategy=strategy), steps(strategy=strategy, variant="code")
        )
        for strategy in mcr.STRATEGIES
    }
    # Nothing is held still where all work together.
    assert ways["collaborative"] < 1e-6
    assert ways["independent"] > 1e-4
    assert ways["greedy"] > 1e-4


@pytest.mark.parametrize("fusion", ["gated", "transformer"])
def test_a_fusion_that_does_not_split(fusion):
    model = make(fusion=fusion)
    x, y = networks.data(rows=32, modalities=NAMES)
    history = model.fit(x, y, batch_size=16, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["audio_divergence"][0] > 0


def test_widths_of_features_may_differ_without_contrast():
    def encoders():
        return {
            "audio": keras.Sequential([keras.layers.Dense(3)]),
            "text": keras.Sequential([keras.layers.Dense(6)]),
        }

    x, y = networks.data(rows=16, modalities=NAMES)
    model = mcr.MCR(encoders(), 3)
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="one width.*contrastive=0"):
        model.fit(x, y, verbose=0)
    model = mcr.MCR(encoders(), 3, contrastive=0.0)
    model.compile(run_eagerly=True)
    history = model.fit(x, y, verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"strategy": "selfish"}, "strategy must be one of"),
        ({"lam": -1.0}, "lam must be a finite number"),
        ({"contrastive": -1.0}, "contrastive must be a finite number"),
        ({"bottleneck": -1.0}, "bottleneck must be a finite number"),
        ({"unimodal": -1.0}, "unimodal must be a finite number"),
        ({"samples": 0}, "samples must be an integer"),
        ({"temperature": 0.0}, "temperature must be a finite number"),
        ({"variant": "both"}, "variant must be one of"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
