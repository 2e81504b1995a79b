"""AMCo: numbers computed by hand, and training steps in plain torch."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

from keras_balance.methods import amco

NAMES = ("audio", "text")


def numpy(value):
    return ops.convert_to_numpy(value)


def make(modalities=NAMES, **arguments):
    return networks.model(
        table.Row("amco", {"seed": 1}),
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        **arguments,
    )


@pytest.mark.parametrize(
    "level,fraction,zeros",
    [(0, 0, 0), (0.1, 0.5, 3), (0.2, 0.866025, 5), (0.3, 1, 6), (9, 1, 6)],
)
def test_schedule_and_masks(level, fraction, zeros):
    found = amco.masked_fraction(level, 0.3)
    assert float(numpy(found)) == pytest.approx(fraction, abs=1e-6)
    draws = np.random.default_rng(3).uniform(size=(2, 6)).astype("float32")
    masks = numpy(amco.class_masks(draws, found))
    assert (masks == 0).sum(1).tolist() == [zeros, zeros]
    # The smallest draws are masked.
    assert masks[0, np.argsort(draws[0])].tolist() == sorted(masks[0])


def test_shares_sum_to_one():
    one = np.array([[3.0, 0, 0], [0, 0, 0]], "float32")
    other = np.array([[0, 0, 0], [0, 0, 0]], "float32")
    found = numpy(amco.shares([one, other]))
    assert found.sum(1) == pytest.approx([1, 1])
    e = np.exp(3)
    np.testing.assert_allclose(found[:, 0], [(e + 2) / (e + 5), 0.5], atol=1e-6)


def test_the_level_of_each_variant():
    paper, code = make(), make(variant="code")
    for model in (paper, code):
        model.epoch.assign(1)
    fractions = []
    for _ in range(4):
        fractions.append([float(numpy(m.fraction())) for m in (paper, code)])
        code.batches_seen.assign(code.batches_seen + 1)
    np.testing.assert_allclose(np.array(fractions)[:, 0], 0.5, atol=1e-6)
    np.testing.assert_allclose(
        np.array(fractions)[:, 1], [0, 0.5, 0.866025, 1], atol=1e-6
    )


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_training_is_that_of_the_equations(variant, monkeypatch):
    draws = []

    def uniform(shape, **_):
        random = np.random.default_rng(len(draws))
        draws.append(random.uniform(size=shape).astype("float32"))
        return ops.convert_to_tensor(draws[-1])

    monkeypatch.setattr(keras.random, "uniform", uniform)
    model = make(variant=variant)
    x, y = networks.data(rows=48, modalities=NAMES, seed=3)
    network = plain_torch.Network(model)
    draws.clear()
    history = model.fit(
        x, y, batch_size=16, epochs=3, shuffle=False, verbose=0
    ).history
    dependent, masked, step = [False, False], 0, 0
    for epoch in range(3):
        shares = []
        for index, (part, labels) in enumerate(plain_torch.batches(x, y, 16)):
            level = 0.1 * epoch * (index if variant == "code" else 1)
            p = np.sin(np.pi / 2 * min(0.3, level) / 0.3)
            u = network.split(network.features(part))
            total = 0
            for i, name in enumerate(NAMES):
                mask = np.ones(3)
                if dependent[i]:
                    zeros = np.argsort(draws[step][i])[: int(p * 3 + 1e-4)]
                    mask[zeros] = 0
                    masked += len(zeros)
                total = total + plain_torch.tensor(mask) * u[name]
            loss = plain_torch.cross_entropy(
                network.dense(model.mixer, total), labels
            )
            for logits in u.values():
                loss = loss + plain_torch.cross_entropy(logits, labels)
            mass = torch.softmax(torch.cat([*u.values()], 1), 1)
            share = mass[:, :3].sum(1).mean().item()
            shares.append(share)
            dependent = [share > 0.5, 1 - share > 0.5]
            network.backward(loss)
            network.descend()
            step += 1
        assert history["audio_share"][epoch] == pytest.approx(
            np.mean(shares), abs=1e-5
        )
    assert masked > 0
    network.assert_same()


def test_nothing_is_masked_in_prediction():
    model = make()
    model.dependent.assign([1.0, 1.0])
    model.epoch.assign(9)
    x, _ = networks.data(rows=4, modalities=NAMES)
    outputs = model.forward_pass(x)
    total = sum(outputs.unimodal.values())
    np.testing.assert_allclose(
        numpy(outputs.logits), numpy(model.mixer(total)), atol=1e-6
    )
    training = model.forward_pass(x, training=True)
    bias = numpy(model.mixer.bias)
    np.testing.assert_allclose(numpy(training.logits) - bias, 0, atol=1e-6)


def test_a_batch_without_a_complete_row_changes_no_dependence():
    model = make()
    model.dependent.assign([1.0, 0.0])
    x, y = networks.data(rows=8, modalities=NAMES)
    x["audio_present"] = np.zeros(8, bool)
    model.train_on_batch(x, y)
    assert numpy(model.dependent).tolist() == [1, 0]
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_one_modality_is_never_masked():
    model = make(("audio",))
    x, y = networks.data(rows=8, modalities=("audio",))
    model.epoch.assign(9)
    model.train_on_batch(x, y)
    assert numpy(model.dependent).tolist() == [1]
    training = model.combine(model.forward_pass(x).features, x, training=True)
    resting = model.forward_pass(x)
    np.testing.assert_allclose(
        numpy(training.logits), numpy(resting.logits), atol=1e-6
    )


@pytest.mark.parametrize("arguments", [{"heads": True}, {"fusion": "gated"}])
def test_what_cannot_be_masked_is_refused(arguments):
    with pytest.raises(ValueError, match="AMCo masks parts of a sum"):
        make(**arguments)
