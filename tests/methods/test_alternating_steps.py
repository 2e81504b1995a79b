"""Alternating learning against NumPy in float64, turn by turn.

Only the modality at turn is run: the weights, the momentum and the
BatchNormalization statistics of the others stand still.
"""

import keras
import networks
import numpy as np
import pytest
import reference
import table

from keras_balance.methods.alternating import modality_at_turn
from keras_balance.optimizers.coupled_weight_decay import CoupledWeightDecay

ROWS = 16


def turns(granularity, stage_epochs, epochs, steps, count):
    """The modality of every step, counted out."""
    order = []
    for epoch in range(epochs):
        for step in range(steps):
            if granularity == "batch":
                order.append((epoch * steps + step) % count)
            elif granularity == "epoch":
                order.append(epoch % count)
            else:
                order.append(epoch // stage_epochs % count)
    return order


def step(network, turn, x, y, weight, decay):
    name = network.names[turn]
    encoder, head = network.encoders[name], network.fusion.heads[turn]
    own = [*encoder.parameters, *head.parameters]
    for parameter in own:
        parameter.gradient[...] = 0
    network.x = x
    present = x.get(f"{name}_present", np.ones(len(y)))
    rows = weight * present
    rows = rows * weight.sum() / max(rows.sum(), 1e-8)
    logits = head.forward(network.encode(name, x))
    loss, along = reference.cross_entropy(logits, y, rows)
    network.backward_encoder(name, head.backward(along))
    reference.sgd(own, decay)
    return loss


DENSE = ("audio", "text")
THREE = ("visual", "text", "audio")
EVERYTHING = {"weighted": True, "missing": True, "decay": 0.02}
CASES = [
    ("batch", 1, DENSE, 2, 5, {}, False),
    ("batch", 1, DENSE, 2, 5, EVERYTHING, False),
    ("batch", 1, THREE, 2, 4, {"decay": 0.02}, False),
    ("epoch", 1, DENSE, 4, 2, {"weighted": True}, False),
    ("epoch", 1, THREE, 4, 2, EVERYTHING, True),
    ("stage", 2, DENSE, 6, 1, {"missing": True}, False),
    ("stage", 2, THREE, 7, 1, {}, True),
]


@pytest.mark.parametrize(
    "granularity, stage, names, epochs, steps, options, eagerly",
    CASES,
    ids=lambda v: "-".join(v) if isinstance(v, (tuple, dict)) else str(v),
)
def test_steps_are_those_of_numpy(
    granularity, stage, names, epochs, steps, options, eagerly
):
    decay = options.get("decay", 0.0)
    optimizer = keras.optimizers.SGD(
        reference.RATE, momentum=reference.MOMENTUM
    )
    if decay:
        optimizer = CoupledWeightDecay(optimizer, decay)
    model = networks.model(
        table.Row("alternating"),
        modalities=names,
        optimizer=optimizer,
        compile_arguments={"run_eagerly": eagerly},
        granularity=granularity,
        stage_epochs=stage,
    )
    x, y = networks.data(rows=steps * ROWS, modalities=names, seed=4)
    weight = np.ones(len(y), "float32")
    if "weighted" in options:
        weight = (0.5 + np.arange(len(y)) % 3).astype("float32")
    if "missing" in options:
        x["audio_present"] = np.arange(len(y)) % 4 != 0
    network = reference.Network(model)
    history = model.fit(
        x,
        y,
        sample_weight=weight,
        batch_size=ROWS,
        epochs=epochs,
        shuffle=False,
        verbose=0,
    ).history
    losses = []
    order = turns(granularity, stage, epochs, steps, len(names))
    for i, turn in enumerate(order):
        rows = slice(i % steps * ROWS, (i % steps + 1) * ROWS)
        batch = {k: v[rows] for k, v in x.items()}
        weights = weight[rows].astype("float64")
        losses.append(step(network, turn, batch, y[rows], weights, decay))
    differences = network.differences()
    worst = max(differences, key=differences.get)
    assert differences[worst] < 1e-5, (worst, differences[worst])
    expected = np.reshape(losses, (epochs, steps)).mean(axis=1)
    np.testing.assert_allclose(history["loss"], expected, rtol=2e-5)
    if granularity != "batch":
        assert history["phase"] == [float(t) for t in order[::steps]]


def test_whose_turn_an_epoch_is():
    def order(granularity, stage_epochs, count):
        return [
            modality_at_turn(epoch, granularity, stage_epochs, count)
            for epoch in range(8)
        ]

    assert order("epoch", 4, 2) == [0, 1, 0, 1, 0, 1, 0, 1]
    assert order("epoch", 4, 3) == [0, 1, 2, 0, 1, 2, 0, 1]
    assert order("stage", 3, 2) == [0, 0, 0, 1, 1, 1, 0, 0]
    assert order("stage", 1, 3) == [0, 1, 2, 0, 1, 2, 0, 1]


def test_initial_epoch_takes_up_the_turn():
    model = networks.model(
        table.Row("alternating"), modalities=DENSE, granularity="epoch"
    )
    x, y = networks.data(rows=ROWS, modalities=DENSE)
    text = model.encoders["text"].get_weights()
    audio = model.encoders["audio"].get_weights()
    model.fit(x, y, initial_epoch=3, epochs=4, verbose=0)
    assert (
        networks.difference(audio, model.encoders["audio"].get_weights()) == 0
    )
    assert networks.difference(text, model.encoders["text"].get_weights()) > 0


def test_the_prediction_is_the_sum_of_the_logits():
    model = networks.model(table.Row("alternating"), modalities=DENSE)
    x, _ = networks.data(rows=8, modalities=DENSE)
    outputs = model.forward_pass(
        {k: keras.ops.convert_to_tensor(v) for k, v in x.items()}
    )
    total = sum(
        keras.ops.convert_to_numpy(u) for u in outputs.unimodal.values()
    )
    np.testing.assert_allclose(
        model.predict(x, verbose=0), total, rtol=1e-5, atol=1e-6
    )


def test_turns_go_on_where_they_stopped():
    """Steps taken one by one, a few at once, or by hand are the same."""
    x, y = networks.data(rows=40)
    found = []
    ways = [{}, {"run_eagerly": True}]
    if keras.config.backend() != "torch":  # Keras has one step a call there.
        ways.append({"steps_per_execution": 2})
    for arguments in ways:
        model = networks.model(
            table.Row("alternating"),
            compile_arguments=arguments,
        )
        # Five batches: the second epoch begins with the other modality.
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        for start in range(0, 24, 8):
            rows = slice(start, start + 8)
            model.train_on_batch({k: v[rows] for k, v in x.items()}, y[rows])
        assert int(keras.ops.convert_to_numpy(model.turn)) == 1
        found.append(networks.weights(model))
    for weights in found[1:]:
        assert networks.difference(found[0], weights) < 1e-6
