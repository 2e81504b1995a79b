"""AUG: boosting in plain torch, and who gets another classifier."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

from keras_balance.methods import aug

NAMES = ("audio", "text")


def make(modalities=NAMES, optimizer=None, **arguments):
    return networks.model(
        table.Row("aug"),
        modalities=modalities,
        optimizer=optimizer or plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        **{"every": 2, "most": 3, "hidden": 7, **arguments},
    )


def fit(model, epochs, initial_epoch=0, rows=48):
    x, y = networks.data(rows=rows, modalities=model.modalities, seed=3)
    return model.fit(
        x,
        y,
        batch_size=16,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=0,
    ).history


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def test_parts_of_an_ensemble():
    z = np.arange(24, dtype="float32").reshape(3, 2, 4)
    for n in (1, 2, 3):
        total, before, last = (
            numpy(part) for part in aug.ensemble(ops.convert_to_tensor(z), n)
        )
        np.testing.assert_array_equal(total, z[:n].sum(0))
        np.testing.assert_array_equal(before, z[: n - 1].sum(0))
        np.testing.assert_array_equal(last, z[n - 1])


@pytest.mark.parametrize(
    "sums, chosen",
    [
        ([10, 5], 1),
        ([5, 10], 0),
        ([10, 9.95], None),
        ([10, 9.85], 1),
        ([0, 0], None),
        ([6, 4, 10], 1),
        ([3], None),
    ],
)
def test_who_gets_a_classifier(sums, chosen):
    assert aug.weakest(sums, 0.01) == chosen


class Boosted:
    """One modality of a network in plain torch, with SGD of its own."""

    def __init__(self, model, network, name, velocities):
        self.model, self.network, self.name = model, network, name
        self.layers = model.classifiers_of(name)
        self.velocities = velocities
        self.count = 1

    def logits(self, h):
        head = self.model.fusion.head
        return [
            self.network.dense(head, torch.relu(self.network.dense(layer, h)))
            for layer in self.layers[: self.count]
        ]

    def step(self, x, y, lam, taught):
        z = self.logits(self.network.encode(self.name, x))
        total = sum(z)
        loss = plain_torch.cross_entropy(total, y)
        if self.count > 1:
            before = sum(z[:-1])
            target = torch.nn.functional.one_hot(plain_torch.tensor(y), 3)
            target = target.double()
            target = target - lam * target * before.detach().softmax(1)
            residual = -(target * z[-1].log_softmax(1)).sum(1).mean()
            loss = loss + plain_torch.cross_entropy(before, y) + residual
        self.network.backward(loss)
        moving = [self.model.encoders[self.name], self.model.fusion.head]
        moving += self.layers[: self.count if taught else 1]
        with torch.no_grad():
            for v in (v for one in moving for v in one.trainable_variables):
                value = self.network[v]
                old = self.velocities.get(id(v), 0.0)
                new = plain_torch.MOMENTUM * old - plain_torch.RATE * value.grad
                self.velocities[id(v)] = new
                value.add_(new)
        own = total.detach().softmax(1)[range(len(y)), y].sum()
        return loss.item(), float(own)


@pytest.mark.parametrize(
    "lam, variant", [(0.5, "paper"), (0.2, "paper"), (0.5, "code")]
)
def test_training_is_that_of_the_equations(lam, variant):
    model = make(lam=lam, variant=variant)
    network = plain_torch.Network(model)
    velocities = {}
    parts = [Boosted(model, network, name, velocities) for name in NAMES]
    history = fit(model, epochs=5)
    x, y = networks.data(rows=48, modalities=NAMES, seed=3)
    sums, losses, counts = [0.0, 0.0], [], []
    for epoch in range(5):
        # After the first epoch, and after every second.
        if epoch in (1, 2, 4) and abs(sums[0] / sums[1] - 1) > 0.01:
            weak = parts[sums[0] > sums[1]]
            weak.count = min(weak.count + 1, 3)
        sums = [0.0, 0.0]
        for part, labels in plain_torch.batches(x, y, 16):
            total = 0.0
            for m, one in enumerate(parts):
                loss, found = one.step(
                    part[one.name], labels, lam, variant == "paper"
                )
                total += loss
                sums[m] += found
            losses.append(total)
        counts.append([one.count for one in parts])
    network.assert_same()
    found = [history[f"{name}_classifiers"] for name in NAMES]
    assert np.transpose(found).tolist() == counts
    assert max(counts[-1]) > 1
    expected = np.reshape(losses, (5, 3)).mean(1)
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-5)


def test_prediction_is_the_weighted_mean():
    model = make(weights={"audio": 0.4, "text": 0.6})
    fit(model, epochs=3)
    x, _ = networks.data(rows=8, modalities=NAMES)
    outputs = model.forward_pass(x)
    u = {name: numpy(z) for name, z in outputs.unimodal.items()}
    expected = 0.4 * u["audio"] + 0.6 * u["text"]
    np.testing.assert_allclose(numpy(outputs.logits), expected, atol=1e-6)
    # A row without a modality is predicted from the others.
    x["audio_present"] = np.arange(8) % 2 == 0
    logits = model.predict(x, verbose=0)
    np.testing.assert_allclose(logits[1::2], u["text"][1::2], atol=1e-6)


def test_classifiers_that_are_not_there_stand_still():
    model = make(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)
    )
    last = [model.classifiers_of(name)[2].kernel for name in NAMES]
    before = [numpy(v) for v in last]
    fit(model, epochs=1)
    for old, v in zip(before, last, strict=True):
        np.testing.assert_array_equal(old, numpy(v))
    model.counts.assign([3, 1])
    fit(model, epochs=2, initial_epoch=1)
    assert np.abs(before[0] - numpy(last[0])).max() > 1e-4
    np.testing.assert_array_equal(before[1], numpy(last[1]))


def test_the_released_code_leaves_new_classifiers_as_they_were():
    model = make(variant="code")
    model.counts.assign([3, 3])
    layers = [layer for name in NAMES for layer in model.classifiers_of(name)]
    before = [numpy(layer.kernel) for layer in layers]
    fit(model, epochs=1)
    moved = [
        not np.array_equal(old, numpy(layer.kernel))
        for old, layer in zip(before, layers, strict=True)
    ]
    assert moved == [True, False, False, True, False, False]


def test_counts_stay_within_their_limit_and_are_saved(tmp_path):
    model = make(every=1, most=2, tolerance=0.0)
    history = fit(model, epochs=5)
    assert max(history["audio_classifiers"] + history["text_classifiers"]) == 2
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numpy(model.counts), numpy(loaded.counts))


def test_one_modality_has_one_classifier():
    model = make(modalities=("audio",), every=1)
    assert fit(model, epochs=3)["audio_classifiers"] == [1, 1, 1]


def test_widths_of_features_may_differ():
    encoders = {
        "audio": keras.Sequential([keras.layers.Dense(3)]),
        "text": keras.Sequential([keras.layers.Dense(6)]),
    }
    model = aug.AUG(encoders, 3, hidden=4, most=2)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    assert np.isfinite(fit(model, epochs=2)["loss"]).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"lam": 2.0}, "lam must be a finite number"),
        ({"every": 0}, "every must be an integer"),
        ({"most": 0}, "most must be an integer"),
        ({"hidden": 0}, "hidden must be an integer"),
        ({"tolerance": -1.0}, "tolerance must be a finite number"),
        ({"weights": {"audio": 1.0}}, "weights must be a dict"),
        ({"variant": "both"}, "variant must be one of"),
        ({"fusion": "concat"}, "AUG needs one linear head"),
        ({"heads": True}, "heads=True"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
