"""DOMFN: numbers computed by hand, and training steps in plain torch."""

import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

from keras_balance.methods import domfn

NAMES = ("audio", "text")
ONE = np.array([[0.8, 0.3]], "float32")
OTHER = np.array([[0.4, 0.6]], "float32")


def numpy(value):
    return ops.convert_to_numpy(value)


def make(modalities=NAMES, **arguments):
    return networks.model(
        table.Row("domfn", {"pretrain_epochs": 0}),
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        **arguments,
    )


def test_divergence_gate_and_loss():
    divergence = domfn.divergences(ops.stack([ONE, OTHER]))
    np.testing.assert_allclose(numpy(divergence), 0.04, atol=1e-6)
    assert numpy(domfn.fused_rows(divergence, 0.5, 0.8)).tolist() == [1]
    assert numpy(domfn.fused_rows(divergence, 0.04, 0.8)).tolist() == [0]
    cost = float(-torch.log_softmax(torch.tensor(ONE), 1)[0, 0])
    assert cost == pytest.approx(0.474077, abs=1e-6)
    assert cost**2 / 2 - 0.5 * 0.04 == pytest.approx(0.092374, abs=1e-6)


def test_absent_modalities_do_not_diverge():
    both = np.stack([np.repeat(ONE, 3, 0), np.repeat(OTHER, 3, 0)])
    present = ops.array([[1, 1, 0], [1, 0, 0]], "float32")
    found = numpy(domfn.divergences(ops.convert_to_tensor(both), present))
    np.testing.assert_allclose(found, [[0.04, 0, 0], [0.04, 0, 0]], atol=1e-6)


def test_the_most_confident_modality_is_chosen():
    both = np.stack([np.repeat(ONE, 2, 0), np.repeat(OTHER, 2, 0)])
    both[1, 1] = [0.1, 0.9]
    expected = [ONE[0], [0.1, 0.9]]
    np.testing.assert_allclose(numpy(domfn.most_confident(both)), expected)
    present = np.array([[1, 1], [1, 0]], "float32")
    found = numpy(domfn.most_confident(both, present))
    np.testing.assert_allclose(found, [ONE[0], ONE[0]])
    # The first one where there are two.
    tie = np.array([[[0.2, 0.7]], [[0.7, 0.2]]], "float32")
    found = numpy(domfn.most_confident(tie))
    np.testing.assert_allclose(found, [[0.2, 0.7]])


def expected_loss(network, x, y, pretrain, tau):
    """The equations, row by row; also how many rows are fused."""
    z = network.features(x)
    maps = network.model.fusion.maps
    hidden = torch.relu(network.dense(maps[0], torch.cat([*z.values()], 1)))
    whole = torch.sigmoid(network.dense(maps[1], hidden))
    each = {n: torch.sigmoid(u) for n, u in network.heads(z).items()}
    middle = sum(each.values()) / len(each)
    loss, fused = 0.0, 0
    for i, label in enumerate(y):
        costs = [-torch.log_softmax(o[i], 0)[label] for o in each.values()]
        apart = [((o[i] - middle[i]) ** 2).max() for o in each.values()]
        loss = loss + sum(costs)
        if not pretrain and all(p / tau < 0.8 for p in apart):
            fused += 1
            loss = loss - torch.log_softmax(whole[i], 0)[label]
            for cost, p in zip(costs, apart, strict=True):
                loss = loss + cost**2 / 2 - 0.5 * p
    return loss / len(y), fused


@pytest.mark.parametrize("names", [NAMES, ("audio", "text", "visual")], ids=len)
def test_training_is_that_of_the_equations(names):
    model = make(names, pretrain_epochs=1, tau=0.02)
    x, y = networks.data(rows=48, modalities=names, seed=3)
    network = plain_torch.Network(model)
    fusion = {id(v) for v in model.fusion.trainable_variables}
    before = [networks.numpy(v) for v in model.fusion.trainable_variables]
    seen = []
    for epoch in range(3):
        history = model.fit(
            x,
            y,
            batch_size=16,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
        ).history
        rows = 0
        for part, labels in plain_torch.batches(x, y, 16):
            loss, fused = expected_loss(network, part, labels, epoch == 0, 0.02)
            network.backward(loss)
            network.descend(still=fusion if epoch == 0 else ())
            rows += fused
        seen.append(rows)
        assert history["fused"][0] == pytest.approx(rows / 48)
        network.assert_same()
        if epoch == 0:
            after = [
                networks.numpy(v) for v in model.fusion.trainable_variables
            ]
            assert networks.difference(before, after) == 0
    assert seen[0] == 0 and 0 < sum(seen) < 96


def test_each_row_is_predicted_by_fusion_or_by_one_modality():
    model = make(tau=0.02)
    x, _ = networks.data(rows=32, modalities=NAMES)
    training = model.forward_pass(x, training=False)
    each = {k: numpy(v) for k, v in training.unimodal.items()}
    whole = 1 / (
        1 + np.exp(-numpy(model.fusion([*training.features.values()])))
    )
    middle = (each["audio"] + each["text"]) / 2
    fused = ((each["audio"] - middle) ** 2).max(1) / 0.02 < 0.8
    sure = each["audio"].max(1) >= each["text"].max(1)
    best = np.where(sure[:, None], each["audio"], each["text"])
    expected = np.where(fused[:, None], whole, best)
    found = model.predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0 < fused.sum() < 32
    again = numpy(model.chosen(training).logits)
    np.testing.assert_allclose(again, found, atol=1e-6)


def test_two_modalities_are_always_fused_by_default():
    extreme = np.array([[[1.0, 0]], [[0, 1.0]]], "float32")
    divergence = domfn.divergences(ops.convert_to_tensor(extreme))
    assert numpy(divergence).max() == 0.25
    assert numpy(domfn.fused_rows(divergence, 0.5, 0.8)).tolist() == [1]
    assert numpy(domfn.fused_rows(divergence, 0.2, 0.8)).tolist() == [0]


@pytest.mark.parametrize("names", [("audio",), NAMES], ids=len)
def test_absent_rows_and_one_modality_are_finite(names):
    model = make(names, tau=0.02)
    x, y = networks.data(rows=8, modalities=names)
    x["audio_present"] = np.zeros(8, bool)
    model.train_on_batch(x, y)
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert np.isfinite(model.predict(x, verbose=0)).all()


def test_bad_arguments():
    for arguments in ({"tau": 0.0}, {"pretrain_epochs": -1}, {"eta": -1.0}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            make(**arguments)
