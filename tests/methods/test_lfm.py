"""LFM: published numbers, training steps and H g in plain torch."""

import itertools

import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

from keras_balance.methods import lfm

NAMES = ("audio", "text")


def numpy(value):
    return ops.convert_to_numpy(value)


def make(modalities=NAMES, **arguments):
    return networks.model(
        table.Row("lfm"),
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        **arguments,
    )


def test_alignment():
    one = np.array([[1, 0]], "float32")
    other = np.array([[0, 1]], "float32")
    proper = numpy(lfm.alignment(one, other))
    np.testing.assert_allclose(proper, [0.110944], atol=1e-6)
    code = numpy(lfm.alignment(one, other, "code"))
    np.testing.assert_allclose(code, [0.120115], atol=1e-6)
    for variant in ("paper", "code"):
        same = numpy(lfm.alignment(one, one + 3, variant))
        np.testing.assert_allclose(same, [0], atol=1e-6)
        sure = numpy(lfm.alignment(400 * one, 400 * other, variant))
        assert np.isfinite(sure).all()
    # Jensen-Shannon is bounded.
    assert numpy(lfm.alignment(400 * one, 400 * other))[0] <= np.log(2) + 1e-6


def test_the_fitted_schedule_meets_the_published_points():
    for epoch, value in zip(
        lfm.PUBLISHED_EPOCHS, lfm.PUBLISHED_LAMBDA_0, strict=True
    ):
        assert lfm.fitted_lambda_0(epoch) == pytest.approx(value, abs=1e-9)
    values = [lfm.fitted_lambda_0(epoch) for epoch in range(200)]
    assert 0.2 < min(values) and max(values) < 0.96
    # A run of another length goes through the same curve.
    assert lfm.fitted_lambda_0(20, 21) == pytest.approx(0.915989, abs=1e-9)
    assert lfm.fitted_lambda_0(500) == pytest.approx(0.915989, abs=1e-9)
    assert lfm.fitted_lambda_0(0, 1) == pytest.approx(0.204624, abs=1e-9)


def test_the_learned_weight():
    assert lfm.learned_lambda_1(0.5, 2.0, 0.1, 0) == pytest.approx(0.3)
    assert lfm.learned_lambda_1(0.5, 2.0, 0.1, 39) == pytest.approx(0.4)
    assert lfm.learned_lambda_1(0.5, 2.0, 0.1, 40) == pytest.approx(0.45)
    assert lfm.learned_lambda_1(0.5, -9.0, 0.1, 0) == 0.95
    assert lfm.learned_lambda_1(0.5, 9.0, 0.1, 0) == 0.05
    assert lfm.learned_lambda_1(0.5, np.nan, 0.1, 0) == 0.5


def terms(network, x, y, variant, training=True):
    """CE and A of the equations."""
    z = network.features(x, training=training)
    maps = network.model.fusion.heads
    u = {n: network.dense(maps[i], z[n]) for i, n in enumerate(network.names)}
    loss = plain_torch.cross_entropy(sum(u.values()) / len(u), y)
    apart = []
    for a, b in itertools.combinations(network.names, 2):
        p, q = torch.softmax(u[a], 1), torch.softmax(u[b], 1)
        m = (p + q) / 2
        if variant == "code":
            each = [m * (m / p).log(), m * (m / q).log()]
        else:
            each = [p * (p / m).log(), q * (q / m).log()]
        apart.append(sum(each).sum(1).mean() / 2)
    return loss, sum(apart) / len(apart)


def autograd_product(network, x, y, variant, weight):
    """H g by differentiating twice, in the order of the variables."""
    parameters = [value for _, value in network.parameters]
    loss, apart = terms(network, x, y, variant, training=False)
    g = torch.autograd.grad(loss, parameters, retain_graph=True)
    objective = (1 - weight) * loss + weight * apart
    first = torch.autograd.grad(objective, parameters, create_graph=True)
    slope = sum((a * b.detach()).sum() for a, b in zip(first, g, strict=True))
    return torch.autograd.grad(slope, parameters)


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_the_product_is_that_of_autograd(variant):
    names = ("audio", "visual")
    model = make(
        names, schedule="learnable", variant=variant, start=0.4, probe_rows=8
    )
    x, y = networks.data(rows=16, modalities=names)
    network = plain_torch.Network(model)
    found = [numpy(h) for h in model.curvature((x, y, None))]
    half = {name: value[:8] for name, value in x.items()}
    expected = autograd_product(network, half, y[:8], variant, 0.4)
    for one, other in zip(found, expected, strict=True):
        scale = float(other.abs().max())
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("variant", ["paper", "code"])
@pytest.mark.parametrize("schedule", lfm.SCHEDULES)
def test_training_is_that_of_the_equations(variant, schedule):
    names = (*NAMES, "visual") if schedule == "fitted" else NAMES
    model = make(
        names,
        schedule=schedule,
        schedule_epochs=4,
        learning_rate=5.0,
        start=0.6,
        variant=variant,
    )
    x, y = networks.data(rows=48, modalities=names, seed=3)
    network = plain_torch.Network(model)
    history = model.fit(
        x, y, batch_size=16, epochs=3, shuffle=False, verbose=0
    ).history
    weight, scale = 0.6, 2 if variant == "code" else 1
    used = []
    for epoch in range(3):
        if schedule == "fitted":
            weight = 1 - lfm.fitted_lambda_0(epoch, 4)
        used.append(weight)
        for part, labels in plain_torch.batches(x, y, 16):
            loss, apart = terms(network, part, labels, variant)
            network.backward(scale * ((1 - weight) * loss + weight * apart))
            network.descend()
        if schedule == "learnable":
            first = {name: value[:8] for name, value in x.items()}
            product = autograd_product(network, first, y[:8], variant, weight)
            product = product[:1] if variant == "code" else product
            mean = sum(h.sum() for h in product) / sum(
                h.numel() for h in product
            )
            weight = min(0.95, max(0.05, weight - 5.0 * float(mean)))
    assert len({round(weight, 4) for weight in used}) == 3
    np.testing.assert_allclose(history["alignment_weight"], used, atol=1e-5)
    network.assert_same()


def test_the_prediction_is_the_mean_of_those_that_are_present():
    model = make()
    x, _ = networks.data(rows=4, modalities=NAMES)
    whole = model.forward_pass(x)
    u = [numpy(value) for value in whole.unimodal.values()]
    np.testing.assert_allclose(
        numpy(whole.logits), (u[0] + u[1]) / 2, atol=1e-6
    )
    x["text_present"] = np.array([True, True, False, True])
    x["audio_present"] = np.array([True, False, True, False])
    part = model.forward_pass(x)
    np.testing.assert_allclose(
        numpy(part.logits),
        [(u[0][0] + u[1][0]) / 2, u[1][1], u[0][2], u[1][3]],
        atol=1e-6,
    )


def test_a_modality_absent_from_all_rows():
    model = make(schedule="learnable")
    x, y = networks.data(rows=16, modalities=NAMES)
    x["text_present"] = np.zeros(16, bool)
    model.fit(x, y, batch_size=16, verbose=0)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_one_modality_is_trained_jointly():
    x, y = networks.data(rows=32, modalities=("audio",))
    trained = []
    for slug in ("lfm", "joint"):
        model = networks.model(
            table.Row(slug), modalities=("audio",), fusion="mean"
        )
        model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
        trained.append([networks.numpy(v) for v in model.trainable_variables])
    assert networks.difference(*trained) == 0


@pytest.mark.parametrize(
    "arguments,message",
    [
        ({"fusion": "concat"}, "fusion='mean'"),
        ({"heads": True}, "heads=True"),
        ({"schedule": "other"}, "schedule must be one of"),
        ({"start": 1.0}, "start must be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_data_that_is_used_up_is_refused_before_training():
    model = make(schedule="learnable")
    x, y = networks.data(rows=16, modalities=NAMES)
    with pytest.raises(TypeError, match="reads the training data"):
        model.fit((part for part in [(x, y)]), steps_per_epoch=1, verbose=0)
