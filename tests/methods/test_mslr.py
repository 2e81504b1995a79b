"""MSLR: published numbers, and training steps in plain torch."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

from keras_balance.methods import mslr

NAMES = ("audio", "text")
ROW = table.Row("mslr")
HISTORY = [0.40, 0.42, 0.44, 0.46, 0.48]
RATES = {"audio": 0.9, "text": 1.4}


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def make(**arguments):
    return networks.model(
        ROW,
        modalities=NAMES,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        **arguments,
    )


def test_progress():
    assert mslr.progress(0.55, HISTORY) == pytest.approx(1.25, abs=1e-6)
    assert mslr.progress(0.55, [*HISTORY[1:], 0.55]) == pytest.approx(
        1.170213, abs=1e-6
    )
    assert mslr.progress(0.5, [0, 0]) == 1


def ratios_after(model, audio, text):
    """r_m after each epoch, for accuracies of one modality and the other."""
    found = []
    for epoch, values in enumerate(zip(audio, text, strict=True)):
        logs = {
            f"val_{name}_accuracy": value
            for name, value in zip(NAMES, values, strict=True)
        }
        model.on_epoch_end(epoch, None, logs)
        found.append(numpy(model.ratios).tolist())
    return found


def test_ratios_are_of_each_epoch_afresh():
    found = ratios_after(make(), [*HISTORY, 0.55, 0.5], [0.5] * 7)
    assert found[:5] == [[1, 1]] * 5
    np.testing.assert_allclose(found[5], [1.25, 1], rtol=1e-6)
    later = 0.5 / np.mean([*HISTORY[1:], 0.55])
    np.testing.assert_allclose(found[6], [later, 1], rtol=1e-6)


def test_cumulative_ratios_are_multiplied_every_so_often():
    model = make(memory=2, cumulative=True)
    found = ratios_after(model, [0.4, 0.5, 0.5, 0.7], [0.5] * 4)
    first = 0.5 / 0.45
    np.testing.assert_allclose(
        np.array(found)[:, 0],
        [1, first, first, first * 0.7 / 0.6],
        rtol=1e-6,
    )


def test_kept_rates_and_epochs_without_validation_change_nothing():
    model = make(strategy="keep", rates=RATES)
    assert not model.needs_validation
    assert ratios_after(model, [0.4] * 7, [0.5] * 7)[-1] == [1, 1]
    model = make(memory=1)
    model.on_epoch_end(0, None, {"loss": 1.0})
    assert int(numpy(model.seen)) == 0


def test_accuracies_of_zero_stay_finite():
    model = make(memory=1)
    found = ratios_after(model, [0.0, 0.0, 0.3, 0.0], [0.5] * 4)
    assert [r[0] for r in found] == [1, 1, 1, 0]


@torch.no_grad()
def accuracies(network, x, y):
    split = network.split(network.features(x, training=False))
    y = plain_torch.tensor(y)
    return [float((u.argmax(1) == y).double().mean()) for u in split.values()]


def expected_step(network, x, y, k, variant):
    """Steps by k (paper) or gradients by k (code), for "concat"."""
    loss = plain_torch.cross_entropy(network.fuse(network.features(x)), y)
    network.backward(loss)
    owner = {i: m for m, n in enumerate(NAMES) for i in network.owned(n)}
    if variant == "code":
        network.descend({i: k[m] for i, m in owner.items()})
        return
    old = {id(v): p.detach().clone() for v, p in network.parameters}
    network.descend()
    kernel = network.model.fusion.head.kernel
    rows = torch.tensor([k[0]] * 5 + [k[1]] * 5, dtype=torch.float64)
    with torch.no_grad():
        for v, p in network.parameters:
            if id(v) in owner:
                p.copy_(old[id(v)] + k[owner[id(v)]] * (p - old[id(v)]))
            elif v is kernel:
                p.copy_(old[id(v)] + rows[:, None] * (p - old[id(v)]))


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_training_is_that_of_the_equations(variant):
    model = make(rates=RATES, memory=1, variant=variant)
    x, y = networks.data(rows=48, modalities=NAMES, seed=3)
    held_x, held_y = networks.data(rows=40, modalities=NAMES, seed=3)
    network = plain_torch.Network(model)
    history = model.fit(
        x,
        y,
        validation_data=(held_x, held_y),
        batch_size=16,
        epochs=4,
        shuffle=False,
        verbose=0,
    ).history
    ratios, before, seen = [1.0, 1.0], None, []
    for _ in range(4):
        k = np.array(ratios) * list(RATES.values())
        seen.append(k)
        for part, labels in plain_torch.batches(x, y, 16):
            expected_step(network, part, labels, k, variant)
        now = accuracies(network, held_x, held_y)
        if before is not None:
            ratios = [a / b for a, b in zip(now, before, strict=True)]
        before = now
    assert np.ptp([k[0] for k in seen]) > 0.05
    network.assert_same()
    for i, name in enumerate(NAMES):
        np.testing.assert_allclose(
            history[f"{name}_coefficient"], [k[i] for k in seen], atol=1e-5
        )


def test_the_paper_s_rate_is_one_under_adam_too():
    """Steps by k, whatever the optimizer: with k = 0 nothing moves."""
    model = networks.model(
        ROW,
        modalities=NAMES,
        optimizer=keras.optimizers.Adam(0.1),
        rates={"audio": 0.0},
        strategy="keep",
    )
    x, y = networks.data(rows=16, modalities=NAMES)
    weights = model.encoders["audio"].trainable_variables
    before = [numpy(v) for v in weights]
    model.train_on_batch(x, y)
    assert networks.difference(before, [numpy(v) for v in weights]) == 0


def test_rates_hold_where_rows_are_incomplete():
    model = make(rates=RATES, strategy="keep")
    x, y = networks.data(rows=8, modalities=NAMES)
    x["audio_present"] = np.zeros(8, bool)
    logs = model.train_on_batch(x, y, return_dict=True)
    assert all(np.isfinite(v) for v in logs.values())
    assert logs["text_coefficient"] == pytest.approx(1.4)


def test_validation_data_is_asked_for():
    x, y = networks.data(rows=16, modalities=NAMES)
    with pytest.raises(ValueError, match="MSLR decides by validation data"):
        make().fit(x, y, verbose=0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"rates": {"smell": 1.0}}, "rates must name modalities"),
        ({"rates": {"audio": -1.0}}, "rates must be a finite number"),
        ({"strategy": "smooth"}, "strategy must be one of"),
        ({"memory": 0}, "memory must be an integer"),
        ({"variant": "bb"}, "variant must be"),
        ({"fusion": "gated"}, "MSLR compares unimodal logits"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
