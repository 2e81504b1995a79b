"""MSES: published numbers, stops, and training steps in plain torch."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
from keras import ops

from keras_balance.methods import mses

NAMES = ("audio", "text")
ROW = table.Row("mses")
RISING = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
FALLING = [1.0, 0.8, 0.6, 0.4, 0.2, 0.1]
FALLING_THEN_RISING = [1.0, 0.9, 0.8, 3.0, 4.0, 5.0]


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def make(eagerly=True, **arguments):
    return networks.model(
        ROW,
        modalities=NAMES,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": eagerly},
        **arguments,
    )


def smoothed(losses, variant):
    found, previous, last = [], None, None
    for loss in losses:
        last = mses.smoothed_loss(loss, previous, last, 0.6, variant)
        found.append(last)
        previous = loss
    return found


def test_smoothed_losses():
    losses = [1, 0.8, 0.9, 0.7]
    np.testing.assert_allclose(
        smoothed(losses, "code"), [1, 0.92, 0.84, 0.82], atol=1e-9
    )
    np.testing.assert_allclose(
        smoothed(losses, "paper"), [1, 0.92, 0.912, 0.8272], atol=1e-9
    )


def test_phases_are_the_sets_of_what_trains():
    assert make().phases == ("audio+text", "audio", "text", "(none)")


class Scripted(keras.callbacks.Callback):
    """Gives the model validation losses as a test wants them."""

    def __init__(self, model, **losses):
        super().__init__()
        original = model.on_epoch_end

        def on_epoch_end(epoch, data, logs):
            told = {f"val_{k}_loss": v[epoch] for k, v in losses.items()}
            original(epoch, data, {**logs, **told})

        model.on_epoch_end = on_epoch_end


def fit(model, losses, epochs=6, initial_epoch=0, rows=32):
    x, y = networks.data(rows=rows, modalities=NAMES, seed=3)
    return model.fit(
        x,
        y,
        validation_data=(x, y),
        batch_size=16,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=0,
        callbacks=[Scripted(model, **losses)],
    ).history


@pytest.mark.parametrize("variant, epochs", [("paper", 2), ("code", 3)])
def test_patience(variant, epochs):
    """Smoothed 1, 0.96 (0.94), 0.956 (0.92), 0.9616 (0.958)."""
    model = make(patience=1, variant=variant, beta=0.6)
    stops = [
        model.overfits(0, loss) for loss in [1, 0.9, 0.95, 0.97, 0.99, 1.2]
    ]
    # The minimum is that of the third epoch.
    assert stops.index(True) == 1 + epochs
    assert numpy(model.waited)[1] == 0


def test_losses_that_are_not_finite_are_no_minimum():
    model = make(patience=2)
    assert not model.overfits(0, float("nan"))
    assert not model.overfits(0, float("nan"))
    assert numpy(model.seen)[0] == 0
    assert not model.overfits(0, 1.0)
    assert not model.overfits(0, float("nan"))
    assert model.overfits(0, float("inf"))
    assert numpy(model.best)[0] == 1


def own(model, name):
    layers = model.encoders[name], *filter(None, [model.heads.get(name)])
    return [numpy(v) for layer in layers for v in layer.weights]


@pytest.mark.parametrize("eagerly", [True, False])
def test_a_stopped_modality_is_at_its_best_and_rests(eagerly):
    model = make(eagerly=eagerly, patience=2, beta=0.0)
    losses = {"audio": FALLING_THEN_RISING, "text": FALLING}
    fit(model, losses, epochs=3)
    best = own(model, "audio")
    history = fit(model, losses, epochs=5, initial_epoch=3)
    assert networks.difference(best, own(model, "audio")) == 0
    assert history["audio_coefficient"] == [1, 1]
    text = own(model, "text")
    history = fit(model, losses, epochs=6, initial_epoch=5)
    # Not by momentum, and BatchNormalization stands still too.
    assert networks.difference(best, own(model, "audio")) == 0
    assert networks.difference(text, own(model, "text")) > 0
    assert history["audio_coefficient"] == [0]
    assert history["text_coefficient"] == [1]
    assert history["audio_gradient_norm"] == [0]
    assert history["phase"] == [2]
    assert not model.stop_training


def test_training_ends_when_all_have_stopped():
    model = make(patience=2, beta=0.0)
    losses = {"audio": RISING, "text": FALLING_THEN_RISING}
    history = fit(model, losses)
    assert len(history["loss"]) == 5
    assert history["phase"] == [0, 0, 0, 2, 2]
    # A further fit moves nothing and ends at once.
    before = networks.weights(model)
    history = fit(model, losses, epochs=6, initial_epoch=5)
    assert len(history["loss"]) == 1
    assert np.isfinite(history["loss"][0])
    skip = {id(v) for v in (model.epoch, *model.optimizer.variables)}
    after = [*model.variables, *model.optimizer.variables]
    for old, v in zip(before, after, strict=True):
        if id(v) not in skip:
            assert np.array_equal(old, numpy(v)), v.path


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_saved_and_loaded_goes_on_as_uninterrupted(variant, tmp_path):
    patience = 2 if variant == "paper" else 1
    model = make(eagerly=False, patience=patience, beta=0.0, variant=variant)
    losses = {"audio": RISING, "text": FALLING_THEN_RISING}
    fit(model, losses, epochs=4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    one = fit(model, losses, epochs=6, initial_epoch=4)
    other = fit(loaded, losses, epochs=6, initial_epoch=4)
    assert one == other and len(one["loss"]) == 1
    assert (
        networks.difference(networks.weights(model), networks.weights(loaded))
        == 0
    )


def test_no_phase_is_traced_again():
    if keras.config.backend() == "torch":
        return
    model = make(eagerly=False, patience=2, beta=0.0)
    traced, original = [], model.training_loss

    def training_loss(outputs, batch):
        traced.append(model.phase)
        return original(outputs, batch)

    model.training_loss = training_loss
    losses = {"audio": RISING, "text": FALLING}
    fit(model, losses, epochs=6)
    assert set(traced) == {"audio+text", "text"}
    count = len(traced)
    # TensorFlow traces the very first function twice.
    assert count <= 3
    fit(model, losses, epochs=6, initial_epoch=3)
    assert len(traced) == count


def expected_step(network, x, y, variant, resting):
    z = {
        name: network.encode(name, x[name], training=name not in resting)
        for name in NAMES
    }
    loss = plain_torch.cross_entropy(network.fuse(z), y)
    if variant == "paper":
        for name, u in network.heads(z).items():
            if name not in resting:
                loss = loss + plain_torch.cross_entropy(u, y)
    network.backward(loss)
    still = {i for name in resting for i in network.owned(name)}
    if variant == "paper":
        for name in resting:
            head = network.model.heads[name]
            still |= {id(v) for v in head.trainable_variables}
    network.descend(still=still)


def held(network, name, variant):
    """Tensors that go back to the minimum."""
    model = network.model
    layers = [model.encoders[name]]
    if variant == "code":
        layers = [*model.encoders.values(), model.fusion]
    else:
        layers.append(model.heads[name])
    return [network[v] for layer in layers for v in layer.weights]


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_training_is_that_of_the_equations(variant):
    # Audio's minimum is its third loss; it stops after the fifth.
    patience = 2 if variant == "paper" else 1
    model = make(patience=patience, beta=0.0, variant=variant)
    x, y = networks.data(rows=32, modalities=NAMES, seed=3)
    network = plain_torch.Network(model)
    fit(model, {"audio": FALLING_THEN_RISING, "text": FALLING}, epochs=6)
    kernel = network[model.fusion.head.kernel]
    for epoch in range(6):
        resting = ("audio",) if epoch == 5 else ()
        for part, labels in plain_torch.batches(x, y, 16):
            block = kernel[:5].detach().clone()
            expected_step(network, part, labels, variant, resting)
            if resting and variant == "code":
                kernel.data[:5] = block
        if epoch == 2:
            best = [t.detach().clone() for t in held(network, "audio", variant)]
        if epoch == 4:
            for now, then in zip(
                held(network, "audio", variant), best, strict=True
            ):
                now.data.copy_(then)
    network.assert_same()


def test_validation_losses_are_means_over_the_rows_that_count():
    model = make()
    x, y = networks.data(rows=12, modalities=NAMES)
    x["audio_present"] = np.arange(12) % 3 != 0
    weight = (np.arange(12) % 4).astype("float32")
    found = model.evaluate(
        x, y, sample_weight=weight, batch_size=5, return_dict=True, verbose=0
    )
    inputs = {k: ops.convert_to_tensor(v) for k, v in x.items()}
    outputs = model.forward_pass(inputs)
    for name in NAMES:
        p = numpy(ops.softmax(outputs.unimodal[name]))[np.arange(12), y]
        rows = weight * x.get(f"{name}_present", 1.0)
        expected = -(np.log(p) * rows).sum() / rows.sum()
        assert found[f"{name}_loss"] == pytest.approx(expected, rel=1e-5)


def test_without_a_stop_it_is_multi_loss():
    results = []
    for slug in ("mses", "multi-loss"):
        model = networks.model(table.Row(slug), modalities=NAMES)
        x, y = networks.data(rows=32, modalities=NAMES)
        model.fit(
            x,
            y,
            validation_data=(x, y),
            epochs=2,
            batch_size=16,
            shuffle=False,
            verbose=0,
        )
        results.append([numpy(v) for v in model.trainable_variables])
    assert networks.difference(*results) < 1e-6


def test_a_stop_from_its_own_losses():
    """Without a script: random labels of the validation data overfit."""
    model = make(patience=1)
    x, y = networks.data(rows=32, modalities=NAMES)
    history = model.fit(
        x,
        y,
        validation_data=(x, np.roll(y, 1)),
        batch_size=16,
        epochs=12,
        shuffle=False,
        verbose=0,
    ).history
    assert len(history["loss"]) < 12
    assert len(history["val_audio_loss"]) == len(history["loss"])


def test_validation_data_is_asked_for():
    x, y = networks.data(rows=16, modalities=NAMES)
    with pytest.raises(ValueError, match="MSES decides by validation data"):
        make().fit(x, y, verbose=0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"patience": 0}, "patience must be an integer"),
        ({"beta": 1.5}, "beta must be a finite number"),
        ({"variant": "bb"}, "variant must be"),
        ({"variant": "code", "fusion": "gated"}, "compares unimodal logits"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
