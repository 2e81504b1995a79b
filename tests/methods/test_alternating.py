"""Alternating learning: predictions, optimizers that start anew, one head."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
from keras import ops

import keras_balance as kb

EAGER = {"run_eagerly": True}
NAMES = ("audio", "text")


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def make(optimizer=None, **arguments):
    return networks.model(
        table.Row("alternating", {"granularity": "epoch"}),
        modalities=NAMES,
        optimizer=optimizer or plain_torch.optimizer(),
        compile_arguments=EAGER,
        **arguments,
    )


def fit(model, x, y, epochs, initial_epoch=0):
    return model.fit(
        x,
        y,
        batch_size=16,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=0,
    ).history


def test_the_loss_of_the_fact_sheet():
    model = make()
    logits = ops.convert_to_tensor([[1.0, 0.5, -0.5]], "float32")

    def loss(tensors):
        value = model.loss_object(np.array([0]), tensors[0])
        return value, value

    value, (gradient,) = model.input_gradients(loss, [logits])
    assert float(numpy(value)) == pytest.approx(0.604131, abs=2e-6)
    expected = [-0.453451, 0.331499, 0.121952]
    np.testing.assert_allclose(numpy(gradient)[0], expected, atol=2e-6)


def softmax(u):
    e = np.exp(u - u.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


CASES = {
    "sum": ({}, (1.0, 1.0), False),
    "logits": ({"prediction": "logits"}, (0.5, 0.5), False),
    "weighted": (
        {"prediction": "logits", "weights": {"audio": 3.0, "text": 1.0}},
        (0.75, 0.25),
        False,
    ),
    "probabilities": ({"prediction": "probabilities"}, (0.5, 0.5), True),
    "shared": ({"fusion": "shared"}, (1.0, 1.0), False),
}


@pytest.mark.parametrize("case", CASES)
def test_predictions(case, tmp_path):
    arguments, shares, probabilities = CASES[case]
    model = make(**arguments)
    x, _ = networks.data(rows=8, modalities=NAMES)
    inputs = {k: ops.convert_to_tensor(v) for k, v in x.items()}
    found = model.forward_pass(inputs).unimodal
    each = [numpy(found[name]) for name in NAMES]
    if probabilities:
        each = [softmax(u) for u in each]
    whole = sum(w * u for w, u in zip(shares, each, strict=True))
    x["text_present"] = np.arange(8) % 2 == 0
    scale = 1.0 if shares == (1.0, 1.0) else 1 / shares[0]
    alone = np.where(
        x["text_present"][:, None], whole, scale * shares[0] * each[0]
    )
    if probabilities:
        whole, alone = np.log(whole), np.log(alone)
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        logits = one.predict(x, verbose=0)
        np.testing.assert_allclose(logits, alone, atol=1e-5)
    del x["text_present"]
    np.testing.assert_allclose(model.predict(x, verbose=0), whole, atol=1e-5)


@pytest.mark.parametrize("restarts", [False, True])
def test_optimizers_start_anew_with_a_turn(restarts):
    optimizer = keras.optimizers.Adam(0.01)
    model = make(
        optimizer, granularity="stage", stage_epochs=2, restarts=restarts
    )
    x, y = networks.data(rows=32, modalities=NAMES)
    counts = []
    for epoch in range(6):
        fit(model, x, y, epoch + 1, initial_epoch=epoch)
        own = model.optimizer.optimizers
        counts.append([int(numpy(o.iterations)) for o in own[:2]])
    if restarts:
        expected = [[2, 0], [4, 0], [4, 2], [4, 4], [2, 4], [4, 4]]
    else:
        expected = [[2, 0], [4, 0], [4, 2], [4, 4], [6, 4], [8, 4]]
    assert counts == expected


def test_a_turn_that_starts_anew_is_a_new_optimizer_s():
    x, y = networks.data(rows=32, modalities=NAMES)
    model = make(keras.optimizers.Adam(0.01), restarts=True)
    fit(model, x, y, 2)
    other = make(keras.optimizers.Adam(0.01))
    for own, weight in zip(other.variables, model.variables, strict=True):
        own.assign(numpy(weight))
    # Another optimizer, which has not seen the first two turns.
    for one in (model, other):
        fit(one, x, y, 4, initial_epoch=2)
    difference = networks.difference(
        [numpy(v) for v in model.trainable_variables],
        [numpy(v) for v in other.trainable_variables],
    )
    assert difference < 1e-7


def test_averaged_weights_of_those_that_had_a_turn():
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    model = make(optimizer, granularity="stage", restarts=True)
    x, y = networks.data(rows=32, modalities=NAMES)
    text = model.encoders["text"].get_weights()
    fit(model, x, y, 1)
    # `fit` ends with averages; there are none of what has not moved.
    assert networks.difference(text, model.encoders["text"].get_weights()) == 0
    audio = [numpy(v) for v in model.encoders["audio"].trainable_variables]
    averages = [
        numpy(v)
        for v in model.optimizer.optimizers[0].variables
        if v.name.endswith("_average")
    ]
    assert networks.difference(audio, averages[: len(audio)]) == 0


def test_rates_and_optimizers_of_each_modality():
    optimizer = kb.optimizers.PerModality(
        [
            keras.optimizers.SGD(0.0),
            keras.optimizers.Adam(0.01),
            keras.optimizers.SGD(0.0),
        ]
    )
    model = make(optimizer)
    x, y = networks.data(rows=32, modalities=NAMES)
    before = {m: e.get_weights() for m, e in model.encoders.items()}
    fit(model, x, y, 2)
    moved = [
        networks.difference(
            [w for w in before[m] if w.ndim > 1],
            [w for w in model.encoders[m].get_weights() if w.ndim > 1],
        )
        > 0
        for m in NAMES
    ]
    assert moved == [False, True]


@pytest.mark.parametrize("granularity", ["batch", "epoch"])
def test_one_head_for_all_moves_at_every_turn(granularity):
    model = make(fusion="shared", granularity=granularity)
    x, y = networks.data(rows=32, modalities=NAMES)
    network = plain_torch.Network(model)
    fit(model, x, y, 4)
    step = 0
    for epoch in range(4):
        for part, labels in plain_torch.batches(x, y, 16):
            turn = step if granularity == "batch" else epoch
            name = NAMES[turn % 2]
            z = network.encode(name, part[name])
            head = model.fusion.head
            u = network.dense(head, z)
            network.backward(plain_torch.cross_entropy(u, labels))
            moving = network.owned(name) | {id(v) for v in head.variables}
            every = {id(v) for v, _ in network.parameters}
            network.descend(still=every - moving)
            step += 1
    network.assert_same()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"granularity": "step"}, "Received: granularity='step'"),
        ({"stage_epochs": 0}, "Received: stage_epochs=0"),
        ({"stage_epochs": 1.5}, "Received: stage_epochs=1.5"),
        ({"restarts": True}, "restarts=True, granularity='batch'"),
        ({"prediction": "vote"}, "Received: prediction='vote'"),
        (
            {"weights": {"audio": 1.0, "text": 1.0}},
            "Received: prediction='sum'",
        ),
        (
            {"prediction": "logits", "weights": {"audio": 1.0}},
            "a weight for each of",
        ),
        ({"heads": True}, "Received: heads=True"),
        ({"fusion": "concat"}, "Received: Concat"),
    ],
)
def test_what_is_refused(arguments, message):
    encoders = {name: networks.encoder(name) for name in NAMES}
    with pytest.raises(ValueError, match=message):
        kb.AlternatingLearning(encoders, 3, **arguments)
