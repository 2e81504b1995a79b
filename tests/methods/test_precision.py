"""Scaled losses, half precision, accumulation and schedules."""

import keras
import networks
import numpy as np
import pytest
import reference
import table
from keras import ops

from keras_balance.optimizers.gradient_noise import tensor_noise

NAMES = ("audio", "text")
ROWS = 16


def make(row, **arguments):
    return networks.model(row, modalities=NAMES, eager=True, **arguments)


def step(model, x, y):
    return model.train_on_batch(x, y, return_dict=True)


def arrays(variables):
    return [np.array(ops.convert_to_numpy(v)) for v in variables]


@pytest.fixture
def ones_for_noise(monkeypatch):
    def ones(shape, dtype="float32", **_):
        return ops.ones(shape, dtype=dtype or "float32")

    monkeypatch.setattr(keras.random, "normal", ones)


@pytest.mark.parametrize("apply_to", ["gradient", "update"])
def test_a_scaled_loss_scales_neither_scores_nor_noise(
    apply_to, ones_for_noise
):
    """sigma is the deviation of the true gradient, not of the scaled one."""
    row = table.Row("ogm-ge", {"apply_to": apply_to})
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    trained, logs = [], []
    for scaled in (False, True):
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        if scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(
                optimizer, initial_scale=2.0**12
            )
        model = make(row, optimizer=optimizer)
        logs.append([step(model, x, y) for _ in range(3)][-1])
        trained.append(arrays(model.trainable_variables))
    assert networks.difference(*trained) < 1e-6
    for key in logs[0]:
        assert logs[0][key] == pytest.approx(logs[1][key], rel=1e-4), key


@pytest.mark.parametrize(
    "row",
    [
        table.Row("joint"),
        table.Row("ogm"),
        table.Row("ogm-ge", {"apply_to": "update"}),
        table.Row("mlb"),
        table.Row("alternating"),
    ],
    ids=lambda row: row.id,
)
def test_an_overflow_of_the_scaled_loss_skips_the_step(row):
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), initial_scale=3e38
    )
    model = make(row, optimizer=optimizer)
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    before = arrays(model.trainable_variables)
    model.train_on_batch({k: 1e3 * v for k, v in x.items()}, y)
    after = arrays(model.trainable_variables)
    assert networks.difference(before, after) == 0


def test_mixed_precision_scores_are_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make(table.Row("ogm"))
    finally:
        keras.config.set_dtype_policy(before)
    x, _ = networks.data(rows=ROWS, modalities=NAMES)
    outputs = model.forward_pass(
        {k: ops.convert_to_tensor(v) for k, v in x.items()}
    )
    assert all(
        keras.backend.standardize_dtype(u.dtype) == "float32"
        for u in (*outputs.unimodal.values(), outputs.logits)
    )


def test_noise_of_a_half_precision_gradient():
    # In half precision the squares would be infinite, and the noise, too.
    values = np.array([600, -600, 900, 0], "float16")
    gradient = ops.convert_to_tensor(values)
    noise = ops.convert_to_numpy(tensor_noise(gradient, 0))
    assert noise.dtype == "float16"
    drawn = keras.random.normal((4,), dtype="float32", seed=0)
    sigma = values.astype("float64").std(ddof=1)
    expected = sigma * ops.convert_to_numpy(drawn)
    np.testing.assert_allclose(noise, expected, rtol=1e-3)


@pytest.mark.parametrize("slug", ["ogm", "mlb"])
def test_accumulated_micro_batches_have_their_own_coefficients(slug):
    arguments = {"variant": "code"} if slug == "mlb" else {}
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    model = make(table.Row(slug, arguments), optimizer=optimizer)
    network = reference.Network(model)
    x, y = networks.data(rows=2 * ROWS, modalities=NAMES, seed=8)
    sums = {id(p): 0.0 for p in network.parameters}
    seen = []
    for start in (0, ROWS):
        rows = slice(start, start + ROWS)
        micro = {k: v[rows] for k, v in x.items()}
        logs = step(model, micro, y[rows])
        model.reset_metrics()
        network.forward(micro)
        ones = np.ones(ROWS)
        _, fused = reference.cross_entropy(network.logits, y[rows], ones)
        unimodal = {}
        if network.heads:
            for name, u in network.unimodal.items():
                _, unimodal[name] = reference.cross_entropy(u, y[rows], ones)
        network.backward(fused, unimodal)
        # The coefficients themselves are compared in test_training_steps.
        k = [float(logs[f"{name}_coefficient"]) for name in NAMES]
        seen.append(k)
        factors = network.fusion.block_factors(k) if slug == "mlb" else {}
        for name, own in zip(NAMES, k, strict=True):
            parts = [network.encoders[name]]
            parts += [network.heads[name]] if slug == "mlb" else []
            for part in parts:
                factors.update({id(p): own for p in part.parameters})
        for p in network.parameters:
            sums[id(p)] = sums[id(p)] + factors.get(id(p), 1.0) * p.gradient
    assert abs(np.subtract(*seen)).max() > 0.02, seen
    for p in network.parameters:
        p.value = p.value - 0.1 * sums[id(p)] / 2
    differences = network.differences()
    worst = max(differences, key=differences.get)
    assert differences[worst] < 1e-6, (worst, differences[worst])


def test_noise_on_the_update_has_the_learning_rate_of_its_step(ones_for_noise):
    """Of a schedule's value before the step, as the gradient's own share."""
    halved = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.2, 0.05])
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    model = make(
        table.Row("ge", {"apply_to": "update"}),
        optimizer=keras.optimizers.SGD(halved),
    )
    network = reference.Network(model)
    for rate in (0.2, 0.05):
        step(model, x, y)
        network.forward(x)
        _, along = reference.cross_entropy(network.logits, y, np.ones(ROWS))
        network.backward(along)
        for name in NAMES:
            for p in network.encoders[name].parameters:
                # Noise of one: every element is shifted by sigma.
                p.gradient += np.std(p.gradient, ddof=1)
        reference.sgd(network.parameters, rate=rate, momentum=0)
    differences = network.differences()
    worst = max(differences, key=differences.get)
    assert differences[worst] < 1e-6, (worst, differences[worst])
