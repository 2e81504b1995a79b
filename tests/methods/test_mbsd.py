"""MBSD: numbers computed by hand, and training steps in plain torch."""

import itertools

import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

import keras_balance as kb
from keras_balance.methods import mbsd

Y = np.array([0, 1, 2], "int32")
AUDIO = np.array([[2, 0, -1], [0, 1, 0], [0.5, 0.5, 1.5]], "float32")
VISUAL = np.array([[0.2, 0.1, 0], [0, 0.4, 0.3], [0.6, 0, 0.1]], "float32")


def numpy(value):
    return ops.convert_to_numpy(value)


def test_weights_and_terms():
    weights = numpy(mbsd.pair_weights(AUDIO, VISUAL, Y))
    expected = [0.476629, 0.187791, 0.294709]
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    distance = numpy(mbsd.squared_distance(AUDIO, VISUAL))
    assert (weights * distance).mean() == pytest.approx(0.307159, abs=1e-6)
    proper = numpy(mbsd.true_class_divergence(AUDIO, VISUAL, Y))
    expected = [-0.305517, -0.153181, -0.201630]
    np.testing.assert_allclose(proper, expected, atol=1e-6)
    code = numpy(mbsd.true_class_divergence(AUDIO, VISUAL, Y, "code"))
    expected = [-0.677691, -0.591043, -0.518935]
    np.testing.assert_allclose(code, expected, atol=1e-6)
    assert (weights * code).mean() == pytest.approx(-0.195645, abs=1e-6)


def test_a_row_that_both_get_wrong_has_no_weight():
    wrong = np.array([[0, 3, 0]], "float32")
    other = np.array([[0, 0, 1]], "float32")
    label = np.zeros(1, "int32")
    assert numpy(mbsd.pair_weights(wrong, other, label)).tolist() == [0]
    right = np.array([[1, 0, 0]], "float32")
    assert numpy(mbsd.pair_weights(wrong, right, label))[0] > 0


def test_the_order_of_the_modalities_makes_no_difference():
    for function in (mbsd.pair_weights, mbsd.true_class_divergence):
        np.testing.assert_allclose(
            numpy(function(AUDIO, VISUAL, Y)),
            numpy(function(VISUAL, AUDIO, Y)),
            atol=1e-7,
        )


def test_modalities_that_agree_add_nothing():
    assert numpy(mbsd.pair_weights(AUDIO, AUDIO, Y)).tolist() == [0, 0, 0]
    assert numpy(mbsd.true_class_divergence(AUDIO, AUDIO, Y)).max() == 0


def test_a_true_class_without_probability_is_finite():
    sure = np.array([[-400, 400, 0]], "float32")
    label = np.zeros(1, "int32")
    for variant in ("paper", "code"):
        found = mbsd.true_class_divergence(sure, sure, label, variant)
        assert np.isfinite(numpy(found)).all()


def test_a_fusion_without_unimodal_logits_is_refused():
    with pytest.raises(ValueError, match="compares unimodal logits"):
        networks.model(table.Row("mbsd"), fusion="film")
    networks.model(table.Row("mbsd"), fusion="film", heads=True)


def expected_loss(network, x, y, variant):
    """The equations, for any number of modalities."""
    z = network.features(x)
    u = network.split(z)
    labels = plain_torch.tensor(y)
    loss = plain_torch.cross_entropy(network.fuse(z), y)
    for logits in u.values():
        loss = loss + plain_torch.cross_entropy(logits, y)
    pairs = list(itertools.combinations(network.names, 2))
    for a, b in pairs:
        p = [torch.softmax(u[name], 1) for name in (a, b)]
        true = [q.gather(1, labels[:, None])[:, 0] for q in p]
        right = (p[0].argmax(1) == labels) | (p[1].argmax(1) == labels)
        w = (true[0] - true[1]).abs() * right
        strong = torch.maximum(*true)
        weak = torch.minimum(*true)
        if variant == "paper":
            w, strong, p = w.detach(), strong.log(), [u[a], u[b]]
        elif len(network.names) == 2:
            p = [u[a], u[b]]
        rs = ((p[0] - p[1]) ** 2).sum(1) / 3
        kl = weak * (weak.log() - strong)
        loss = loss + (w * (rs + kl)).mean() / len(pairs)
    return loss


@pytest.mark.parametrize("variant", ["paper", "code"])
@pytest.mark.parametrize(
    "names", [("audio", "text"), ("audio", "text", "visual")], ids=len
)
def test_training_is_that_of_the_equations(variant, names):
    model = networks.model(
        table.Row("mbsd"),
        modalities=names,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        variant=variant,
    )
    x, y = networks.data(rows=64, modalities=names, seed=3)
    network = plain_torch.Network(model)
    model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    for part, labels in plain_torch.batches(x, y, 16):
        network.backward(expected_loss(network, part, labels, variant))
        network.descend()
    network.assert_same()


def test_one_modality_is_trained_jointly():
    x, y = networks.data(rows=32, modalities=("audio",))
    trained = []
    for slug in ("mbsd", "joint"):
        model = networks.model(table.Row(slug), modalities=("audio",))
        model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
        trained.append(model.get_weights())
    assert networks.difference(*trained) == 0


def test_pairs_are_compared_where_both_are_present():
    """An absent row leaves what the other rows' pairs are worth."""
    model = networks.model(table.Row("mbsd"), normalize=False)
    x, y = networks.data(rows=8)
    present = np.arange(8) < 4
    marked = {**x, "audio_present": present}
    outputs = model.forward_pass(marked, training=True)
    from keras_balance.models import batch as batches

    batch = batches.unpack((marked, y), 3)
    pair = ("audio", "visual")
    found = float(numpy(model.pair_loss(pair, outputs, batch)))
    half = {name: value[:4] for name, value in x.items()}
    whole = model.forward_pass(half, training=True)
    batch = batches.unpack((half, y[:4]), 3)
    expected = float(numpy(model.pair_loss(pair, whole, batch)))
    assert found == pytest.approx(expected, rel=1e-5)
    nothing = {**x, "audio_present": np.zeros(8, bool)}
    model.train_on_batch(nothing, y)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_variant_is_checked():
    with pytest.raises(ValueError, match="variant must be one of"):
        kb.MBSD({"audio": networks.encoder("audio")}, 3, variant="other")
