"""Modality-Drop: masks, their means, and training steps in plain torch."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
from keras import ops

from keras_balance.methods import modality_drop

NAMES = ("audio", "text")
ROW = table.Row("modality-drop")


def numpy(value):
    return ops.convert_to_numpy(value)


def kept(draws, rates, present=None):
    draws = np.asarray(draws, "float32")
    present = np.ones_like(draws) if present is None else present
    return numpy(
        modality_drop.kept(
            ops.convert_to_tensor(draws),
            rates,
            ops.convert_to_tensor(np.asarray(present, "float32")),
        )
    )


def test_draws_below_the_rate_drop():
    found = kept([[0.4, 0.3], [0.6, 0.1], [0.6, 0.6]], [0.5, 0.2])
    assert found.tolist() == [[0, 1], [1, 0], [1, 1]]


def test_one_is_kept_where_all_would_be_dropped():
    # The larger of draw / rate: 0.8 against 0.75, then 0.2 against 0.5.
    found = kept([[0.4, 0.15], [0.1, 0.1]], [0.5, 0.2])
    assert found.tolist() == [[1, 0], [0, 1]]
    assert kept([[0.0, 0.0]], [1.0, 1.0]).sum() == 1


def test_what_is_kept_is_present():
    # Audio is absent and text dropped: text comes back.
    assert kept([[0.9, 0.1]], [0.5, 0.5], [[0, 1]])[0, 1] == 1
    # Rows without any modality stay finite.
    assert np.isfinite(kept([[0.1, 0.1]], [0.5, 0.5], [[0, 0]])).all()


def test_every_modality_is_kept_as_often_as_said():
    rates = [0.5, 0.8, 0.3]
    draws = np.random.default_rng(0).uniform(size=(200_000, 3))
    found = kept(draws, rates)
    assert found.sum(1).min() == 1
    np.testing.assert_allclose(
        found.mean(0), modality_drop.keep_probabilities(rates), atol=5e-3
    )
    # One that is never dropped leaves the others their own rate.
    assert modality_drop.keep_probabilities([0.5, 0.0]) == [0.5, 1.0]


def make(**arguments):
    return networks.model(
        ROW,
        modalities=NAMES,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        **arguments,
    )


def known_uniform(monkeypatch, seed=0):
    """The draws that the model will make, in their order."""
    random = np.random.default_rng(seed)
    made = []

    def uniform(shape, **_):
        made.append(random.uniform(size=tuple(int(n) for n in shape)))
        return ops.convert_to_tensor(made[-1].astype("float32"))

    monkeypatch.setattr(keras.random, "uniform", uniform)
    return made


def test_rescaling_of_one_modality_doubles_what_is_kept():
    model = make(rate={"audio": 0.5}, rescale=True, seed=3)
    x, _ = networks.data(rows=4, modalities=NAMES)
    z = {k: np.ones((4, 5), "float32") for k in NAMES}
    inputs = {k: ops.convert_to_tensor(v) for k, v in x.items()}
    factors = [numpy(model.masks(z, inputs))[0] for _ in range(400)]
    audio, text = np.transpose(factors)
    assert set(audio.tolist()) == {0.0, 2.0}
    assert set(text.tolist()) == {1.0}
    assert audio.mean() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("rescale", [False, True])
def test_training_is_that_of_the_equations(per, rescale, monkeypatch):
    rate = {"audio": 0.6, "text": 0.5}
    model = make(rate=rate, per=per, rescale=rescale)
    x, y = networks.data(rows=80, modalities=NAMES, seed=3)
    network = plain_torch.Network(model)
    draws = known_uniform(monkeypatch)
    model.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0)
    used = draws[-5:]
    assert used[0].shape == ((1 if per == "batch" else 16), 2)
    keep_rate = {"audio": 0.4 + 0.15, "text": 0.5 + 0.15}
    dropped = 0
    for (part, labels), draw in zip(
        plain_torch.batches(x, y, 16), used, strict=True
    ):
        keep = draw >= np.array([0.6, 0.5])
        for row, kept_row in enumerate(keep):
            if not kept_row.any():
                relative = draw[row] / np.array([0.6, 0.5])
                keep[row, np.argmax(relative)] = True
        dropped += (~keep).sum()
        z = network.features(part)
        for i, name in enumerate(NAMES):
            r = plain_torch.tensor(keep[:, i : i + 1].astype("float64"))
            z[name] = z[name] * r / (keep_rate[name] if rescale else 1)
        loss = plain_torch.cross_entropy(network.fuse(z), labels)
        network.backward(loss)
        network.descend()
    assert dropped > 0
    network.assert_same()


def test_a_dropped_encoder_has_no_gradient(monkeypatch):
    model = make(rate={"audio": 1.0})
    x, y = networks.data(rows=16, modalities=NAMES)
    before = [np.array(numpy(v)) for v in model.encoders["audio"].weights]
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["audio_gradient_norm"] == 0
    assert logs["text_gradient_norm"] > 0
    encoder = model.encoders["audio"]
    for old, v in zip(before, encoder.weights, strict=True):
        # The encoder runs all the same: its statistics follow the rows.
        moved = "moving" in v.path
        assert np.array_equal(old, numpy(v)) != moved, v.path
    # Accuracy is of the features before they are dropped.
    assert logs["audio_score"] != pytest.approx(1 / 3, abs=1e-4)


def test_prediction_drops_nothing():
    model = make(rate={"audio": 1.0})
    x, _ = networks.data(rows=8, modalities=NAMES)
    joint = networks.model(table.Row("joint"), modalities=NAMES)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), joint.predict(x, verbose=0), atol=1e-6
    )


def test_one_modality_is_never_dropped():
    model = networks.model(ROW, modalities=("audio",), rate=1.0)
    x, y = networks.data(rows=16, modalities=("audio",))
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["audio_gradient_norm"] > 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"rate": 1.5}, "rate must be a finite number"),
        ({"rate": {"audio": -1}}, "rate must be a finite number"),
        ({"rate": {"smell": 0.5}}, "rate must name modalities"),
        ({"per": "row"}, "per must be one of"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
