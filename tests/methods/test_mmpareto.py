"""MMPareto: published numbers, and training steps in plain torch."""

import warnings

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from hypothesis import assume
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from keras import ops

from keras_balance.methods import mmpareto

EAGER = {"run_eagerly": True}
NAMES = ("audio", "text")


def numpy(value):
    return ops.convert_to_numpy(value)


def update(g, u, **arguments):
    """`encoder_update` of lists of vectors, as NumPy."""

    def tensors(vectors):
        return [ops.convert_to_tensor(np.array(v, "float32")) for v in vectors]

    found, cosine, conflict = mmpareto.encoder_update(
        tensors(g), tensors(u), **arguments
    )
    return [numpy(v) for v in found], float(cosine), bool(conflict)


@pytest.mark.parametrize("variant", ["paper", "code"])
@pytest.mark.parametrize(
    "g,u,a,expected",
    [
        ((1, 0), (-0.5, 1), 0.538462, (0.930261, 1.395391)),
        ((1, 0), (0.5, 1), 0.5, (2.25, 1.5)),
        ((0.2, 0.1), (-1, 1), 0.933333, (1.224132, 1.632176)),
        ((1, 0, 0), (-2, 0.5, 1), 0.707317, (0.785734, 0.942881, 1.885762)),
    ],
)
def test_updates_of_the_fact_sheet(g, u, a, expected, variant):
    (found,), cosine, conflict = update([g], [u], variant=variant)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    g, u = np.array(g, "float64"), np.array(u, "float64")
    norms = [
        ops.convert_to_tensor(np.float32(x)) for x in (g @ g, u @ u, g @ u)
    ]
    assert float(mmpareto.pareto_weight(*norms)) == pytest.approx(a, abs=1e-6)
    expected_cosine = g @ u / np.linalg.norm(g) / np.linalg.norm(u)
    assert cosine == pytest.approx(expected_cosine, abs=1e-6)
    assert conflict == (g @ u < 0)
    if conflict:
        # Both losses fall alike.
        assert found @ g == pytest.approx(found @ u, abs=1e-5)


def test_the_whole_encoder_decides_and_a_tensor_may_be_restored_alone():
    # The first tensors agree, the encoders do not.
    g, u = [(1.0, 1.0), (2.0,)], [(1.0, 0.0), (-3.0,)]
    a = (10 + 5) / (6 + 10 + 10)
    pairs = [(np.array(x), np.array(y)) for x, y in zip(g, u, strict=True)]
    d = [2 * a * x + 2 * (1 - a) * y for x, y in pairs]
    plain = [x + y for x, y in pairs]
    each = [
        np.linalg.norm(p) / np.linalg.norm(x)
        for p, x in zip(plain, d, strict=True)
    ]
    found, _, conflict = update(g, u, variant="code")
    assert conflict and each[0] < 1 < each[1]
    np.testing.assert_allclose(found[0], 1.5 * d[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], 1.5 * each[1] * d[1], rtol=1e-5)
    whole = np.linalg.norm(np.concatenate(plain))
    ratio = max(1, whole / np.linalg.norm(np.concatenate(d)))
    found, _, _ = update(g, u, variant="paper")
    np.testing.assert_allclose(
        np.concatenate(found), 1.5 * ratio * np.concatenate(d), rtol=1e-5
    )


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_gradients_of_zero(variant):
    zero, one = [(0, 0), (0, 0)], [(3, -4), (0, 0)]
    for g, u in ((zero, one), (one, zero)):
        found, cosine, conflict = update(g, u, variant=variant)
        np.testing.assert_allclose(found, [(4.5, -6), (0, 0)], rtol=1e-5)
        assert cosine == 0 and not conflict
    found, _, _ = update(zero, zero, variant=variant)
    assert np.array_equal(found, np.zeros((2, 2)))
    # Opposite gradients have no common direction of descent.
    found, cosine, conflict = update([(0.3, 0.7)], [(-0.9, -2.1)])
    assert np.abs(found).max() < 1e-5
    assert cosine == pytest.approx(-1) and conflict


numbers = st.floats(-1, 1).map(lambda v: round(v, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, min_size=8, max_size=8), st.floats(1, 3))
def test_an_update_descends_on_both_losses(values, gamma):
    g, u = np.reshape(values, (2, 4)).astype("float64")
    cosine = g @ u / max(np.linalg.norm(g) * np.linalg.norm(u), 1e-9)
    assume(np.linalg.norm(g) > 0.05 and np.linalg.norm(u) > 0.05)
    assume(cosine > -0.99)
    found, _, _ = update(
        [g[:1], g[1:]], [u[:1], u[1:]], gamma=gamma, variant="paper"
    )
    found = np.concatenate(found)
    assert found @ g >= -1e-5 and found @ u >= -1e-5 or cosine > 0
    length = np.linalg.norm(g + u)
    assert np.linalg.norm(found) >= gamma * length * (1 - 1e-4)
    if g @ u > 1e-6:
        np.testing.assert_allclose(found, gamma * (g + u), atol=1e-5)


def model(optimizer=None, **arguments):
    return networks.model(
        table.Row("mmpareto"),
        modalities=NAMES,
        optimizer=optimizer or plain_torch.optimizer(),
        compile_arguments=EAGER,
        **arguments,
    )


def flat(tensors):
    return torch.cat([t.reshape(-1) for t in tensors])


def expected_step(network, x, y, variant, gamma=1.5):
    """One step as the paper writes it; returns the cosines."""
    losses = {"": lambda z: plain_torch.cross_entropy(network.fuse(z), y)}
    for name in network.names:
        losses[name] = lambda z, name=name: plain_torch.cross_entropy(
            network.heads(z)[name], y
        )
    z = network.features(x)
    found = {}
    for name, loss in losses.items():
        for _, value in network.parameters:
            value.grad = torch.zeros_like(value)
        loss(z).backward(retain_graph=True)
        found[name] = {
            id(v): value.grad.clone() for v, value in network.parameters
        }
    cosines = []
    for variable, value in network.parameters:
        value.grad = sum(one[id(variable)] for one in found.values())
    for name in network.names:
        owned = [
            v for v, _ in network.parameters if id(v) in network.owned(name)
        ]
        g = flat([found[""][id(v)] for v in owned])
        u = flat([found[name][id(v)] for v in owned])
        cosines.append(float(g @ u / g.norm() / u.norm()))
        # The point of the segment from u to g that is nearest to 0.
        t = 0.5
        if cosines[-1] <= 0:
            t = float(torch.clamp(-(u @ (g - u)) / ((g - u) @ (g - u)), 0, 1))
        point = 2 * (u + t * (g - u))
        whole = max(1.0, float((g + u).norm() / point.norm()))
        for v in owned:
            one, other = found[""][id(v)], found[name][id(v)]
            d = 2 * (other + t * (one - other))
            k = whole
            if variant == "code":
                k = max(1.0, float((one + other).norm() / d.norm()))
            network[v].grad = gamma * k * d
    network.descend()
    return cosines


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_training_is_that_of_the_equations(variant):
    network_model = model(variant=variant)
    x, y = networks.data(rows=64, modalities=NAMES, seed=3)
    network = plain_torch.Network(network_model)
    history = network_model.fit(
        x, y, batch_size=16, epochs=2, shuffle=False, verbose=0
    ).history
    seen = np.array(
        [
            expected_step(network, part, labels, variant)
            for _ in range(2)
            for part, labels in plain_torch.batches(x, y, 16)
        ]
    )
    assert (seen < -0.05).any() and (seen > 0.05).any()
    network.assert_same()
    for i, name in enumerate(NAMES):
        cosines = seen[:, i].reshape(2, 4)
        np.testing.assert_allclose(
            history[f"{name}_cosine"], cosines.mean(1), atol=1e-4
        )
        np.testing.assert_allclose(
            history[f"{name}_conflict"], (cosines < 0).mean(1), atol=1e-6
        )


def test_without_conflict_it_is_multi_loss_at_a_higher_rate():
    """gamma multiplies the encoders' gradients, and theirs alone."""
    x, y = networks.data(rows=16, modalities=NAMES)
    pareto = model(keras.optimizers.SGD(0.1), fusion="sum")
    plain = networks.model(
        table.Row("multi-loss"),
        modalities=NAMES,
        optimizer=keras.optimizers.SGD(0.1),
        compile_arguments=EAGER,
        fusion="sum",
    )
    # Equal maps: the two gradients of an encoder are nearly the same one.
    for one in (pareto, plain):
        for own, head in zip(one.fusion.heads, one.heads.values(), strict=True):
            head.kernel.assign(networks.numpy(own.kernel))
    before = networks.weights(plain)[: len(plain.variables)]
    logs = [
        one.train_on_batch(x, y, return_dict=True) for one in (pareto, plain)
    ]
    assert logs[0]["audio_conflict"] == logs[0]["text_conflict"] == 0
    encoders = {
        id(v) for e in pareto.encoders.values() for v in e.trainable_variables
    }
    by_path = dict(zip((v.path for v in plain.variables), before, strict=True))
    for moved, reference in zip(
        pareto.trainable_variables, plain.trainable_variables, strict=True
    ):
        factor = 1.5 if id(moved) in encoders else 1.0
        start = by_path[reference.path]
        np.testing.assert_allclose(
            networks.numpy(moved) - start,
            factor * (networks.numpy(reference) - start),
            rtol=1e-4,
            atol=1e-6,
        )


def test_warns_where_the_optimizer_undoes_the_length():
    with pytest.warns(UserWarning, match="MMPareto.*Adam"):
        model(keras.optimizers.Adam())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(keras.optimizers.SGD(0.1))


@pytest.mark.parametrize("arguments", [{"gamma": -1.0}, {"variant": "both"}])
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}="):
        model(**arguments)
