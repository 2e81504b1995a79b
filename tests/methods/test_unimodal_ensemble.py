"""UME: numbers, training steps in plain torch, and independence."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

import keras_balance as kb
from keras_balance.mechanisms import averages

EAGER = {"run_eagerly": True}
NAMES = ("audio", "text")
ROW = table.Row("ume")
LOGITS = np.array([[[2.0, 0.0, 0.0]], [[0.5, 1.0, 0.0]]], "float32")
# With the weights 0.6 and 0.4, and of the mean logits.
PROBABILITIES = [0.595070, 0.266496, 0.138434]
OF_MEAN_LOGITS = [0.568546, 0.268562, 0.162891]


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def log_mean(logits, weights):
    return numpy(
        averages.log_mean_probabilities(
            ops.convert_to_tensor(logits, "float32"),
            ops.convert_to_tensor(weights, "float32"),
        )
    )


def test_the_averages_of_the_fact_sheet():
    found = log_mean(LOGITS, [[0.6], [0.4]])
    np.testing.assert_allclose(np.exp(found[0]), PROBABILITIES, atol=1e-6)
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-6)
    # Logits of one modality alone are its own, up to a constant.
    alone = log_mean(LOGITS, [[1.0], [0.0]])
    np.testing.assert_allclose(alone[0] - alone[0, 2], [2, 0, 0], atol=1e-6)
    # Probabilities of 0 in float32.
    assert np.isfinite(log_mean(LOGITS * 1e4, [[0.5], [0.5]])).all()


def test_weights_are_shared_by_what_a_row_has():
    present = ops.convert_to_tensor([[1, 1, 0, 0], [1, 0, 1, 0]], "float32")
    found = numpy(averages.row_weights([3.0, 1.0], present))
    expected = [[0.75, 1, 0, 0.75], [0.25, 0, 1, 0.25]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # What is there has no weight: as if all were there.
    found = numpy(averages.row_weights([1.0, 0.0], present))
    np.testing.assert_allclose(found, [[1, 1, 1, 1], [0, 0, 0, 0]])
    found = numpy(averages.row_weights([1.1, 0.9]))
    np.testing.assert_allclose(found, [[0.55], [0.45]], rtol=1e-6)


def make(modalities=NAMES, optimizer=None, **arguments):
    return networks.model(
        ROW,
        modalities=modalities,
        optimizer=optimizer or plain_torch.optimizer(),
        compile_arguments=EAGER,
        **arguments,
    )


@pytest.mark.parametrize("average", ["probabilities", "logits"])
@pytest.mark.parametrize("weights", [None, {"audio": 3.0, "text": 2.0}])
def test_training_is_that_of_the_equations(average, weights):
    model = make(average=average, weights=weights)
    x, y = networks.data(rows=48, modalities=NAMES, seed=3)
    network = plain_torch.Network(model)
    history = model.fit(
        x, y, batch_size=16, epochs=2, shuffle=False, verbose=0
    ).history
    losses = []
    for _ in range(2):
        for part, labels in plain_torch.batches(x, y, 16):
            u = network.split(network.features(part))
            loss = sum(plain_torch.cross_entropy(v, labels) for v in u.values())
            network.backward(loss)
            network.descend()
            losses.append(float(loss.detach()))
    network.assert_same()
    np.testing.assert_allclose(
        history["loss"], np.reshape(losses, (2, 3)).mean(1), rtol=1e-5
    )
    with torch.no_grad():
        u = network.split(network.features(x, training=False))
    shares = [0.5, 0.5] if weights is None else [0.6, 0.4]
    if average == "logits":
        expected = sum(w * v for w, v in zip(shares, u.values(), strict=True))
    else:
        p = [torch.softmax(v, 1) for v in u.values()]
        expected = sum(w * q for w, q in zip(shares, p, strict=True)).log()
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def test_mean_logits_of_the_fact_sheet():
    model = make(average="logits")
    heads = model.fusion.own_layers()
    for head, logits in zip(heads, LOGITS[:, 0], strict=True):
        head.kernel.assign(np.zeros(head.kernel.shape))
        head.bias.assign(logits)
    x, _ = networks.data(rows=1, modalities=NAMES)
    found = numpy(ops.softmax(model.predict(x, verbose=0)))
    np.testing.assert_allclose(found[0], OF_MEAN_LOGITS, atol=1e-6)


def test_each_modality_trains_as_it_would_alone():
    def clipped():
        return keras.optimizers.Adam(0.02, global_clipnorm=0.05)

    x, y = networks.data(rows=48, modalities=NAMES)
    together = make(optimizer=clipped())
    # Drawn for both; alone, the draws for the second would be other ones.
    start = {
        name: [
            *together.encoders[name].get_weights(),
            *together.fusion.own_layers()[i].get_weights(),
        ]
        for i, name in enumerate(NAMES)
    }
    together.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    for i, name in enumerate(NAMES):
        alone = make((name,), optimizer=clipped())
        layers = (alone.encoders[name], alone.fusion.own_layers()[0])
        count = len(layers[0].weights)
        layers[0].set_weights(start[name][:count])
        layers[1].set_weights(start[name][count:])
        alone.fit(
            {name: x[name]},
            y,
            batch_size=16,
            epochs=2,
            shuffle=False,
            verbose=0,
        )
        own = [
            *together.encoders[name].get_weights(),
            *together.fusion.own_layers()[i].get_weights(),
        ]
        found = [w for layer in layers for w in layer.get_weights()]
        assert networks.difference(own, found) < 1e-6


def test_a_row_without_a_modality_is_predicted_from_the_other():
    model = make()
    x, _ = networks.data(rows=4, modalities=NAMES)
    x["text_present"] = np.array([True, False, True, False])
    logits = model.predict(x, verbose=0)
    inputs = {k: ops.convert_to_tensor(v) for k, v in x.items()}
    audio = numpy(ops.log_softmax(model.forward_pass(inputs).unimodal["audio"]))
    np.testing.assert_allclose(logits[1::2], audio[1::2], atol=1e-6)
    assert np.abs(logits[::2] - audio[::2]).max() > 1e-3


def test_the_average_is_saved(tmp_path):
    model = make(average="logits", weights={"audio": 1.0, "text": 3.0})
    x, _ = networks.data(rows=4, modalities=NAMES)
    before = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.average == "logits"
    np.testing.assert_allclose(loaded.predict(x, verbose=0), before, atol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"average": "votes"}, "Received: average='votes'"),
        ({"heads": True}, "Received: heads=True"),
        ({"fusion": "concat"}, "Received: Concat"),
        ({"weights": {"audio": 1.0}}, "a weight for each of"),
        ({"weights": {"audio": 0.0, "text": 0.0}}, "must not all be 0"),
        ({"weights": {"audio": -1.0, "text": 0.0}}, r"weights\['audio'\]=-1.0"),
    ],
)
def test_what_is_refused(arguments, message):
    encoders = {name: networks.encoder(name) for name in NAMES}
    with pytest.raises(ValueError, match=message):
        kb.UniModalEnsemble(encoders, 3, **arguments)
