"""DGL: training steps in plain torch, and who gets which gradient."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import layers
from keras import ops

import keras_balance as kb

EAGER = {"run_eagerly": True}
NAMES = ("audio", "text")


def model(slug="dgl", optimizer=None, **arguments):
    return networks.model(
        table.Row(slug),
        modalities=NAMES,
        optimizer=optimizer or plain_torch.optimizer(),
        compile_arguments=EAGER,
        **arguments,
    )


def expected_step(network, x, y, alpha):
    """One step as the paper writes it; returns the three losses."""
    z = network.features(x)
    fused = plain_torch.cross_entropy(
        network.fuse({name: h.detach() for name, h in z.items()}), y
    )
    own = []
    for name in network.names:
        alone = {
            other: h if other == name else torch.zeros_like(h)
            for other, h in z.items()
        }
        own.append(plain_torch.cross_entropy(network.fuse(alone), y))
    network.backward(alpha * sum(own))
    encoders = {id(v): network[v].grad.clone() for v, _ in network.parameters}
    network.backward(fused)
    for name in network.names:
        for variable in network.owned(name):
            network.tensors[variable].grad = encoders[variable]
    network.descend()
    return [loss.item() for loss in (fused, *own)]


@pytest.mark.parametrize(
    "fusion,alpha", [("concat", 4.0), ("concat", 0.5), ("sum", 2.0)]
)
def test_training_is_that_of_the_equations(fusion, alpha):
    network_model = model(fusion=fusion, alpha=alpha)
    x, y = networks.data(rows=64, modalities=NAMES, seed=3)
    network = plain_torch.Network(network_model)
    history = network_model.fit(
        x, y, batch_size=16, epochs=2, shuffle=False, verbose=0
    ).history
    losses = np.array(
        [
            expected_step(network, part, labels, alpha)
            for _ in range(2)
            for part, labels in plain_torch.batches(x, y, 16)
        ]
    ).reshape(2, 4, 3)
    network.assert_same()
    fused, audio, text = losses.mean(1).T
    np.testing.assert_allclose(
        history["loss"], fused + alpha * (audio + text), rtol=1e-5
    )
    np.testing.assert_allclose(history["audio_loss"], audio, rtol=1e-5)
    np.testing.assert_allclose(history["text_loss"], text, rtol=1e-5)


def one_step(slug, **arguments):
    """The change of every variable in one step, by path."""
    network = model(slug, keras.optimizers.SGD(0.1), **arguments)
    x, y = networks.data(rows=16, modalities=NAMES)
    before = {v.path: networks.numpy(v) for v in network.variables}
    network.train_on_batch(x, y)
    return network, {
        v.path: networks.numpy(v) - before[v.path] for v in network.variables
    }


@pytest.mark.parametrize("fusion", ["concat", "gated", "film", "low-rank"])
def test_the_fusion_moves_as_in_joint_training_and_encoders_do_not(fusion):
    network, moves = one_step("dgl", fusion=fusion, alpha=0.0)
    joint, reference = one_step("joint", fusion=fusion)
    own = [v.path for v in network.fusion.trainable_variables]
    its = [v.path for v in joint.fusion.trainable_variables]
    for one, other in zip(own, its, strict=True):
        np.testing.assert_allclose(moves[one], reference[other], atol=1e-7)
    for encoder in network.encoders.values():
        for v in encoder.trainable_variables:
            assert not moves[v.path].any(), v.path


def test_encoders_do_not_see_the_other_modality():
    x, y = networks.data(rows=16, modalities=NAMES)
    moved = []
    for text in (x["text"], -2 * x["text"]):
        network = model(optimizer=keras.optimizers.SGD(0.1))
        network.train_on_batch({**x, "text": text}, y)
        moved.append(
            [networks.numpy(v) for v in network.encoders["audio"].variables]
        )
    assert networks.difference(*moved) == 0


def test_regularizers_act_on_their_layers():
    encoders = {
        "audio": keras.Sequential(
            [layers.Dense(5, kernel_regularizer=keras.regularizers.L2(0.25))]
        ),
        "text": keras.Sequential([layers.Dense(5)]),
    }
    network = kb.DGL(encoders, networks.CLASSES, alpha=0.0)
    network.build({name: (None, *networks.SHAPES[name]) for name in NAMES})
    network.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    kernel = encoders["audio"].layers[0].kernel
    before = networks.numpy(kernel)
    network.train_on_batch(*networks.data(rows=16, modalities=NAMES))
    np.testing.assert_allclose(
        networks.numpy(kernel), (1 - 0.1 * 2 * 0.25) * before, rtol=1e-5
    )


def test_unimodal_logits_are_those_of_the_fusion_on_one_modality():
    network = model(fusion="gated")
    x, _ = networks.data(rows=16, modalities=NAMES)
    outputs = network.forward_pass(x)
    audio = outputs.features["audio"]
    alone = network.fusion([audio, ops.zeros_like(outputs.features["text"])])
    np.testing.assert_allclose(
        ops.convert_to_numpy(outputs.unimodal["audio"]),
        ops.convert_to_numpy(alone),
        atol=1e-6,
    )
    predicted = network.predict(x, verbose=0)
    logits = ops.convert_to_numpy(outputs.logits)
    np.testing.assert_allclose(predicted, logits, atol=1e-6)


@pytest.mark.parametrize("arguments", [{"alpha": -1.0}, {"heads": True}])
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}="):
        model(**arguments)
