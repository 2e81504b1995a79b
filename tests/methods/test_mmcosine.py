"""MMCosine: the fact's numbers, invariances, and steps in plain torch."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

import keras_balance as kb
from keras_balance.methods import mmcosine

NAMES = ("audio", "text")


def numpy(value):
    return ops.convert_to_numpy(value)


def test_logits_and_losses():
    parts = np.array([[[3.0, 4.0]], [[1.0, 0.0]]], "float32")
    rows = [[[1, 0], [0, 2], [1, 1]], [[0, 5], [2, 0], [-1, 0]]]
    blocks = [np.array(r, "float32").T for r in rows]
    u = [
        numpy(mmcosine.cosine_logits(h, w, 10.0))
        for h, w in zip(parts, blocks, strict=True)
    ]
    np.testing.assert_allclose(u[0], [[6, 8, 9.899495]], rtol=1e-6)
    np.testing.assert_allclose(u[1], [[0, 10, -10]], rtol=1e-6, atol=1e-6)
    f = sum(u)
    np.testing.assert_allclose(f, [[6, 18, -0.100505]], rtol=1e-5)
    log_p = f[0] - np.log(np.exp(f[0].astype("float64")).sum())
    assert -log_p[1] == pytest.approx(6.157967e-6, rel=1e-3)
    assert -log_p[2] == pytest.approx(18.100511, rel=1e-6)


def test_logits_do_not_depend_on_lengths():
    random = np.random.default_rng(0)
    h = random.normal(size=(4, 5)).astype("float32")
    w = random.normal(size=(5, 3)).astype("float32")
    expected = numpy(mmcosine.cosine_logits(h, w, 7.0))
    rows = random.uniform(0.1, 9, size=(4, 1)).astype("float32")
    columns = random.uniform(0.1, 9, size=(1, 3)).astype("float32")
    found = numpy(mmcosine.cosine_logits(h * rows, w * columns, 7.0))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(expected).max() <= 7.0


def test_a_feature_of_zeros_has_logits_of_zero():
    logits = mmcosine.cosine_logits(
        np.zeros((1, 2), "float32"), np.ones((2, 3), "float32"), 10.0
    )
    assert numpy(logits).tolist() == [[0, 0, 0]]


def cosines(network, features, scale):
    fusion, logits, start = network.model.fusion, [], 0
    for z in features.values():
        block = network[fusion.head.kernel][start : start + z.shape[1]]
        start += z.shape[1]
        unit = torch.nn.functional.normalize
        logits.append(scale * unit(z, dim=1) @ unit(block, dim=0))
    return sum(logits)


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_training_and_prediction_are_those_of_the_equations(variant):
    model = networks.model(
        table.Row("mmcosine"),
        modalities=NAMES,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        scale=4.0,
        variant=variant,
    )
    x, y = networks.data(rows=64, modalities=NAMES, seed=3)
    network = plain_torch.Network(model)
    model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    for part, labels in plain_torch.batches(x, y, 16):
        f = cosines(network, network.features(part), 4.0)
        network.backward(plain_torch.cross_entropy(f, labels))
        network.descend()
    network.assert_same()
    z = network.features(x, training=False)
    expected = cosines(network, z, 4.0)
    if variant == "code":
        expected = network.fuse(z)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), expected.detach().numpy(), atol=1e-4
    )


@pytest.mark.parametrize("fusion", ["symmetric-film", "symmetric-gated"])
def test_symmetric_fusions_train(fusion):
    model = networks.model(
        table.Row("mmcosine"),
        fusion=fusion,
        optimizer=keras.optimizers.SGD(0.05),
    )
    x, y = networks.data()
    history = model.fit(x, y, batch_size=16, epochs=8, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert "audio_accuracy" in history


def test_fusions_without_a_concatenation_are_refused():
    encoders = {name: networks.encoder(name) for name in NAMES}
    with pytest.raises(ValueError, match="ends in one linear map"):
        kb.MMCosine(encoders, 3, fusion="gated")
