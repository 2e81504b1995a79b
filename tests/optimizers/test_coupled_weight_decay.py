"""Coupled decay against torch.optim, step for step."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_balance.optimizers.coupled_weight_decay import CoupledWeightDecay
from keras_balance.optimizers.coupled_weight_decay import coupled_decay

SHAPES = [(4, 3), (3,), (2, 2, 1, 3)]


def start_and_gradients(steps):
    rng = np.random.default_rng(0)
    start = [rng.normal(size=s).astype("float32") for s in SHAPES]
    gradients = [
        [rng.normal(size=s).astype("float32") for s in SHAPES]
        for _ in range(steps)
    ]
    return start, gradients


def run_keras(optimizer, start, gradients):
    variables = [keras.Variable(w) for w in start]
    optimizer.build(variables)
    for row in gradients:
        optimizer.apply([ops.convert_to_tensor(g) for g in row])
    return [ops.convert_to_numpy(v) for v in variables]


def run_torch(make, start, gradients, clip=None):
    torch = pytest.importorskip(
        "torch", reason="torch is the oracle of this test"
    )
    # A copy: torch would write into the arrays of the other run.
    weights = [torch.tensor(w.copy(), requires_grad=True) for w in start]
    optimizer = make(torch.optim, weights)
    for row in gradients:
        for weight, gradient in zip(weights, row, strict=True):
            weight.grad = torch.tensor(gradient)
        optimizer.step()
    return [w.detach().numpy() for w in weights]


CASES = {
    "sgd": (
        lambda: keras.optimizers.SGD(0.1),
        lambda o, w: o.SGD(w, lr=0.1, weight_decay=0.2),
    ),
    "momentum": (
        lambda: keras.optimizers.SGD(0.1, momentum=0.9),
        lambda o, w: o.SGD(w, lr=0.1, momentum=0.9, weight_decay=0.2),
    ),
    "nesterov": (
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        lambda o, w: o.SGD(
            w, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.2
        ),
    ),
    # Keras puts epsilon beside the uncorrected moment, torch beside the
    # corrected one: the smaller it is, the less they differ.
    "adam": (
        lambda: keras.optimizers.Adam(0.01, epsilon=1e-12),
        lambda o, w: o.Adam(w, lr=0.01, eps=1e-12, weight_decay=0.2),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_equals_torch_step_for_step(case):
    ours, theirs = CASES[case]
    for steps in (1, 2, 10):
        start, gradients = start_and_gradients(steps)
        optimizer = CoupledWeightDecay(ours(), 0.2)
        for a, b in zip(
            run_keras(optimizer, start, gradients),
            run_torch(theirs, start, gradients),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)


def test_is_not_the_decoupled_decay_of_keras():
    start, gradients = start_and_gradients(1)
    coupled = run_keras(
        CoupledWeightDecay(keras.optimizers.SGD(1e-3), 1e-4), start, gradients
    )
    for w, g, v in zip(start, gradients[0], coupled, strict=True):
        np.testing.assert_allclose(v, w - 1e-3 * (g + 1e-4 * w), atol=1e-7)


def test_pure_function():
    result = coupled_decay(
        ops.convert_to_tensor([1.0, 2.0]), keras.Variable([10.0, -10.0]), 0.1
    )
    np.testing.assert_allclose(ops.convert_to_numpy(result), [2, 1])


def test_excluded_variables_do_not_decay():
    start, _ = start_and_gradients(1)
    zeros = [[np.zeros_like(w) for w in start]]
    optimizer = CoupledWeightDecay(keras.optimizers.SGD(0.5), 0.2, exclude=[1])
    after = run_keras(optimizer, start, zeros)
    for w, v, rate in zip(start, after, [0.9, 1, 0.9], strict=True):
        np.testing.assert_allclose(v, rate * w, atol=1e-7)


def test_accumulation_decays_once_per_update():
    start, gradients = start_and_gradients(4)
    accumulating = CoupledWeightDecay(
        keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), 0.2
    )
    means = [
        [
            (a + b) / 2
            for a, b in zip(gradients[k], gradients[k + 1], strict=True)
        ]
        for k in (0, 2)
    ]
    plain = CoupledWeightDecay(keras.optimizers.SGD(0.1), 0.2)
    for a, b in zip(
        run_keras(accumulating, start, gradients),
        run_keras(plain, start, means),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_clipping_sees_the_decay():
    start = [np.float32([10.0])]
    optimizer = CoupledWeightDecay(keras.optimizers.SGD(1.0, clipvalue=0.5), 1)
    after = run_keras(optimizer, start, [[np.float32([0.0])]])
    np.testing.assert_allclose(after[0], [9.5])


def test_a_fixed_loss_scale_does_not_scale_the_decay():
    start, gradients = start_and_gradients(3)
    scaled = [[g * 64 for g in row] for row in gradients]
    plain = CoupledWeightDecay(keras.optimizers.SGD(0.1), 0.2)
    fixed = CoupledWeightDecay(
        keras.optimizers.SGD(0.1, loss_scale_factor=64.0), 0.2
    )
    assert float(fixed.scale_loss(1.0)) == 64.0
    for a, b in zip(
        run_keras(plain, start, gradients),
        run_keras(fixed, start, scaled),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_bad_arguments():
    for decay in (-1e-4, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite float >= 0"):
            CoupledWeightDecay(keras.optimizers.SGD(0.1), decay)
    with pytest.raises(ValueError, match="exclude to hold indices below 1"):
        CoupledWeightDecay(keras.optimizers.SGD(0.1), 0.1, [1]).build(
            [keras.Variable([1.0])]
        )
