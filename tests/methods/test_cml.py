"""CML: numbers computed by hand, and training steps in plain torch."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

from keras_balance.methods import cml
from keras_balance.models import batch as batches

NAMES = ("audio", "text", "visual")


def numpy(value):
    return ops.convert_to_numpy(value)


def logits(confidences):
    """Two classes, the first with these probabilities."""
    p = np.array(confidences)
    return np.stack([np.log(p), np.log(1 - p)], axis=1).astype("float32")


def test_growth_of_confidence():
    whole, reduced = logits([0.7, 0.5]), logits([0.6, 0.65])
    growth = numpy(cml.confidence(reduced)) - numpy(cml.confidence(whole))
    np.testing.assert_allclose(growth, [-0.1, 0.15], atol=1e-6)
    model = networks.model(table.Row("cml", {"seed": 1}))
    code = networks.model(table.Row("cml", {"seed": 1, "variant": "code"}))
    x, _ = networks.data(rows=2)
    batch = batches.unpack((x, np.zeros(2, "int32")), 3)
    rows = ops.ones(2)
    # The sum over the batch against the mean of each sample's hinge.
    found = float(numpy(code.penalty(whole, reduced, rows, batch)))
    assert found == pytest.approx(0.05, abs=1e-6)
    found = float(numpy(model.penalty(whole, reduced, rows, batch)))
    assert 2 * found == pytest.approx(0.15, abs=1e-6)


def test_losing_a_right_answer_is_not_penalised():
    right, wrong = logits([0.9]), logits([0.05])
    label = np.zeros(1, "int32")
    assert numpy(cml.is_penalised(right, wrong, label)).tolist() == [0]
    for pair in ((right, right), (wrong, wrong), (wrong, right)):
        assert numpy(cml.is_penalised(*pair, label)).tolist() == [1]


def test_ranks_are_the_order_of_the_draws():
    draws = np.array([0.5, 0.1, 0.9], "float32")
    assert numpy(cml.removal_ranks(draws)).tolist() == [1, 0, 2]


def test_every_modality_is_removed_first_as_often():
    model = networks.model(table.Row("cml", {"seed": 1}), modalities=NAMES)
    first = [int(numpy(model.draw()).argmin()) for _ in range(300)]
    assert np.bincount(first).min() > 70


@pytest.mark.parametrize("fusion", ["concat", "sum"])
def test_what_remains_of_the_logits(fusion):
    """f_S = f - u^m + b / M, for a fusion that splits."""
    model = networks.model(
        table.Row("cml"), modalities=NAMES, fusion=fusion, normalize=False
    )
    layers = [model.fusion.head] if fusion == "concat" else model.fusion.heads
    for i, layer in enumerate(layers):
        layer.bias.assign(np.array([0.3, -0.2, 0.1]) * (i + 1))
    x, y = networks.data(rows=4, modalities=NAMES)
    outputs = model.forward_pass(x)
    batch = batches.unpack((x, y), 3)
    removed = np.array([True, False, True])
    found = numpy(model.without(removed, outputs, batch))
    biases = [numpy(layer.bias) for layer in layers]
    if fusion == "concat":
        biases = [biases[0] / 3] * 3
    expected = numpy(outputs.unimodal["text"]) + biases[0] + biases[2]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def expected_loss(network, x, y, order, variant, lam):
    """The equations; `order` lists the modalities as they are removed."""
    z = network.features(x)
    labels = plain_torch.tensor(y)
    whole = network.fuse(z)
    chain, penalty = plain_torch.cross_entropy(whole, y), 0.0
    for name in order[:-1]:
        z = {**z, name: 0 * z[name]}
        reduced = network.fuse(z)
        chain = chain + plain_torch.cross_entropy(reduced, y)
        growth = (
            torch.softmax(reduced, 1).max(1).values
            - torch.softmax(whole, 1).max(1).values
        )
        if variant == "code":
            penalty = penalty + torch.clamp(growth.sum(), min=0)
        else:
            right = whole.argmax(1) == labels
            lost = right & (reduced.argmax(1) != labels)
            hinge = torch.where(lost, 0.0, torch.clamp(growth, min=0))
            penalty = penalty + hinge.mean()
        whole = reduced
    return chain / len(order) + lam * penalty


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_training_is_that_of_the_equations(variant, monkeypatch):
    drawn = iter(np.random.default_rng(5).uniform(size=(99, 3)))
    orders = []

    def uniform(shape, **_):
        draw = next(drawn).astype("float32")
        orders.append([NAMES[i] for i in np.argsort(draw)])
        return ops.convert_to_tensor(draw)

    monkeypatch.setattr(keras.random, "uniform", uniform)
    model = networks.model(
        table.Row("cml"),
        modalities=NAMES,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        variant=variant,
        lam=1.5,
    )
    x, y = networks.data(rows=48, modalities=NAMES, seed=3)
    network = plain_torch.Network(model)
    orders.clear()
    model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    if variant == "code":
        assert len(orders) == 2, "an order is drawn once an epoch"
        orders[:] = [orders[0]] * 3 + [orders[1]] * 3
    assert len(orders) == 6 and len(set(map(tuple, orders))) > 1
    steps = [*plain_torch.batches(x, y, 16)] * 2
    for (part, labels), order in zip(steps, orders, strict=True):
        network.backward(
            expected_loss(network, part, labels, order, variant, 1.5)
        )
        network.descend()
    network.assert_same()


def test_a_fusion_without_split_and_absent_rows():
    model = networks.model(
        table.Row("cml", {"seed": 1}), fusion="gated", normalize=False
    )
    x, y = networks.data(rows=16)
    for present in (np.arange(16) < 5, np.zeros(16, bool)):
        model.train_on_batch({**x, "visual_present": present}, y)
        assert all(np.isfinite(w).all() for w in model.get_weights())


def test_one_modality_is_trained_jointly():
    x, y = networks.data(rows=32, modalities=("audio",))
    trained = []
    for slug in ("cml", "joint"):
        model = networks.model(table.Row(slug), modalities=("audio",))
        model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
        trained.append([networks.numpy(v) for v in model.trainable_variables])
    assert networks.difference(*trained) == 0
