"""SAM and ASAM: numbers, training steps in plain torch, the second pass."""

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
from keras import layers
from keras import ops

import keras_balance as kb
from keras_balance.methods.ogm import OGM
from keras_balance.methods.sam import SAM

EAGER = {"run_eagerly": True}
NAMES = ("audio", "text")


def perturbation(gradients, values, *arguments):
    """`sam_perturbation` of lists of vectors, as NumPy."""

    def tensors(vectors):
        return [ops.convert_to_tensor(np.array(v, "float32")) for v in vectors]

    found = kb.optimizers.sam_perturbation(
        tensors(gradients), tensors(values), *arguments
    )
    return [ops.convert_to_numpy(e) for e in found]


@pytest.mark.parametrize("split", [False, True])
def test_the_step_of_a_quadratic(split):
    """L = w' diag(4, 1) w / 2 at (1, 1); one norm, however w is stored."""
    w, curvature = np.ones(2), np.array([4.0, 1.0])
    g = curvature * w
    parts = ([g[:1], g[1:]], [w[:1], w[1:]]) if split else ([g], [w])
    e = np.concatenate(perturbation(*parts, 0.05))
    np.testing.assert_allclose(e, [0.048507, 0.012127], atol=1e-6)
    second = curvature * (w + e)
    np.testing.assert_allclose(second, [4.194029, 1.012127], atol=1e-6)
    loss = (curvature * (w + e) ** 2).sum() / 2
    assert loss == pytest.approx(2.710935, abs=1e-6)
    np.testing.assert_allclose(
        w - 0.1 * second, [0.580597, 0.898787], atol=1e-6
    )


@pytest.mark.parametrize("adaptive", [False, True])
def test_no_gradient_no_step(adaptive):
    zeros = [np.zeros(3), np.zeros(1)]
    ones = [np.ones(3), np.ones(1)]
    for e in perturbation(zeros, ones, 0.5, adaptive):
        assert not e.any()
    if adaptive:
        for e in perturbation(ones, zeros, 0.5, True):
            assert not e.any()


numbers = st.floats(0.1, 2).map(lambda v: round(v, 3))
vectors = st.lists(numbers, min_size=4, max_size=4).map(np.array)


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, st.floats(0.01, 1), st.floats(0.2, 5))
def test_radius_and_scale(g, w, rho, scale):
    (e,) = perturbation([g], [w], rho)
    assert np.linalg.norm(e) == pytest.approx(rho, rel=1e-5)
    # The radius of ASAM is measured in units of the weights, ...
    (e,) = perturbation([g], [w], rho, True)
    assert np.linalg.norm(e / w) == pytest.approx(rho, rel=1e-5)
    np.testing.assert_allclose(
        e, rho * w**2 * g / np.linalg.norm(w * g), rtol=1e-5
    )
    # ... so that weights twice as large make steps twice as large.
    (scaled,) = perturbation([g / scale], [w * scale], rho, True)
    np.testing.assert_allclose(scaled, e * scale, rtol=1e-4)


def model(slug="sam", modalities=NAMES, optimizer=None, **arguments):
    return networks.model(
        table.Row(slug),
        modalities=modalities,
        optimizer=optimizer or plain_torch.optimizer(),
        compile_arguments=EAGER,
        **arguments,
    )


def statistics(network):
    """Copies of BatchNormalization's averages, by the id of their variable."""
    return {
        key: value.clone()
        for key, value in network.tensors.items()
        if not value.requires_grad
    }


def expected_step(network, x, y, rho, adaptive):
    """One step as the papers write it; returns the two losses."""

    def backward():
        loss = plain_torch.cross_entropy(network.fuse(network.features(x)), y)
        network.backward(loss)
        return float(loss.detach())

    first = backward()
    moved = statistics(network)
    values = [value for _, value in network.parameters]
    before = [value.detach().clone() for value in values]
    size = [w.abs() if adaptive else torch.ones_like(w) for w in before]
    norm = sum(
        ((s * w.grad) ** 2).sum() for s, w in zip(size, values, strict=True)
    ).sqrt()
    with torch.no_grad():
        for s, w in zip(size, values, strict=True):
            w.add_(rho * s**2 * w.grad / norm)
    second = backward()
    with torch.no_grad():
        for old, w in zip(before, values, strict=True):
            w.copy_(old)
        for key, value in moved.items():
            network.tensors[key].copy_(value)
    network.descend()
    return first, second


@pytest.mark.parametrize("slug,rho", [("sam", 0.3), ("asam", 0.5)])
def test_training_is_that_of_the_equations(slug, rho):
    network_model = model(slug, rho=rho)
    assert network_model.adaptive == (slug == "asam")
    x, y = networks.data(rows=64, modalities=NAMES, seed=3)
    network = plain_torch.Network(network_model)
    history = network_model.fit(
        x, y, batch_size=16, epochs=2, shuffle=False, verbose=0
    ).history
    losses = np.array(
        [
            expected_step(network, part, labels, rho, slug == "asam")
            for _ in range(2)
            for part, labels in plain_torch.batches(x, y, 16)
        ]
    )
    assert (losses[:, 1] > losses[:, 0] + 0.01).all()
    network.assert_same()
    np.testing.assert_allclose(
        history["loss"], losses[:, 0].reshape(2, 4).mean(1), rtol=1e-5
    )


def test_the_values_of_the_slugs():
    for slug, rho in (("sam", 0.05), ("asam", 0.5)):
        assert model(slug).rho == rho


class Dropping(keras.layers.Layer):
    """An encoder with dropout and BatchNormalization."""

    def __init__(self, seed, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(5)
        self.drop = layers.Dropout(0.5, seed=seed)
        self.norm = layers.BatchNormalization()

    def build(self, shape):
        self.dense.build(shape)
        self.drop.build((None, 5))
        self.norm.build((None, 5))

    def call(self, x, training=False):
        x = self.drop(self.dense(x), training=training)
        return self.norm(x, training=training)


def test_the_second_pass_repeats_the_first_ones_masks():
    """At a radius of 0 SAM is joint training, dropout or not."""
    x, y = networks.data(rows=32, modalities=NAMES)
    ends = []
    for make in (kb.JointTraining, lambda *a: SAM(*a, rho=0.0)):
        encoders = {name: Dropping(i) for i, name in enumerate(NAMES)}
        network = make(encoders, networks.CLASSES)
        network.build({n: (None, *networks.SHAPES[n]) for n in NAMES})
        networks.set_weights(network)
        network.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        network.fit(x, y, batch_size=8, shuffle=False, verbose=0)
        ends.append([networks.numpy(v) for v in network.variables])
    assert networks.difference(*ends) < 1e-6


def test_statistics_and_metrics_are_those_of_the_first_pass():
    x, y = networks.data(rows=16, modalities=NAMES)
    logs, moving = [], []
    for slug, arguments in (("joint", {}), ("sam", {"rho": 0.5})):
        network = model(slug, **arguments)
        found = network.train_on_batch(x, y, return_dict=True)
        logs.append({k: v for k, v in found.items() if "norm" not in k})
        moving.append(
            [
                networks.numpy(v)
                for v in network.encoders["audio"].variables
                if v.name.startswith("moving")
            ]
        )
    assert len(moving[0]) == 2
    assert networks.difference(*moving) < 1e-7
    assert logs[0] == pytest.approx(logs[1], rel=1e-6)


def ends(network, x, y):
    network.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    layers = (*network.encoders.values(), network.fusion)
    return [networks.numpy(v) for layer in layers for v in layer.variables]


def test_heads_beside_the_loss_have_no_part_in_it():
    x, y = networks.data(rows=16, modalities=NAMES)
    without = model(rho=0.5)
    beside = model(rho=0.5, heads=True)
    own, its = ([*m.encoders.values(), m.fusion] for m in (without, beside))
    for one, other in zip(own, its, strict=True):
        for v, w in zip(one.variables, other.variables, strict=True):
            w.assign(networks.numpy(v))
    kernel = networks.numpy(beside.heads["audio"].kernel)
    assert networks.difference(ends(without, x, y), ends(beside, x, y)) < 1e-6
    assert not np.array_equal(
        kernel, networks.numpy(beside.heads["audio"].kernel)
    )


def test_frozen_layers_are_not_in_the_norm():
    """Beside a frozen encoder the radius is that of the others alone."""
    network = model(optimizer=keras.optimizers.SGD(0.1), rho=0.5)
    network.encoders["text"].trainable = False
    given = []
    gradients_at = network.gradients_at
    x, y = networks.data(rows=16, modalities=NAMES)
    before = [networks.numpy(v) for v in network.trainable_variables]

    def spied(loss_fn, variables, values, fixed):
        given.extend(ops.convert_to_numpy(v) for v in values)
        return gradients_at(loss_fn, variables, values, fixed)

    network.gradients_at = spied
    network.train_on_batch(x, y)
    assert len(given) == len(before)
    norm = sum(((a - b) ** 2).sum() for a, b in zip(given, before, strict=True))
    assert norm**0.5 == pytest.approx(0.5, rel=1e-4)


class SharpOGM(SAM, OGM):
    pass


class SharpMultiLoss(SAM, kb.MultiLoss):
    pass


class SharpPareto(SAM, kb.MMPareto):
    pass


def one_step(kind, **arguments):
    """A model after a step, its logs, and how each variable moved."""
    encoders = {name: networks.encoder(name) for name in NAMES}
    network = kind(encoders, networks.CLASSES, **arguments)
    network.build({n: (None, *networks.SHAPES[n]) for n in NAMES})
    networks.set_weights(network)
    network.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    before = [networks.numpy(v) for v in network.trainable_variables]
    logs = network.train_on_batch(
        *networks.data(rows=16, modalities=NAMES), return_dict=True
    )
    after = [networks.numpy(v) for v in network.trainable_variables]
    return network, logs, [b - a for a, b in zip(before, after, strict=True)]


def test_another_method_becomes_sharpness_aware():
    """The same coefficients, on the gradient of the second pass."""
    sharp, logs, moves = one_step(SharpOGM, rho=0.3, alpha=0.8)
    _, ogm_logs, _ = one_step(OGM, alpha=0.8)
    _, _, sam_moves = one_step(SAM, rho=0.3)
    factors = {}
    for name in NAMES:
        k = logs[f"{name}_coefficient"]
        assert k == pytest.approx(ogm_logs[f"{name}_coefficient"], rel=1e-5)
        own = sharp.encoders[name].trainable_variables
        factors.update({id(v): k for v in own})
    for v, move, plain in zip(
        sharp.trainable_variables, moves, sam_moves, strict=True
    ):
        k = factors.get(id(v), 1.0)
        np.testing.assert_allclose(move, k * plain, rtol=1e-4, atol=1e-6)
    assert min(logs[f"{name}_coefficient"] for name in NAMES) < 0.99


def test_several_losses_climb_by_their_sum():
    """Heads and fusion of MMPareto get the gradient of Multi-Loss."""
    pareto, _, moves = one_step(SharpPareto, rho=0.3)
    _, _, expected = one_step(SharpMultiLoss, rho=0.3)
    encoders = {
        id(v) for e in pareto.encoders.values() for v in e.trainable_variables
    }
    for v, move, other in zip(
        pareto.trainable_variables, moves, expected, strict=True
    ):
        if id(v) not in encoders:
            np.testing.assert_allclose(move, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("arguments", [{"rho": -1.0}, {"adaptive": "yes"}])
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}="):
        model(**arguments)
