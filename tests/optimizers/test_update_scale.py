"""Scaling the update: its arithmetic, and why it is not scaling a gradient."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_balance.optimizers.per_modality import PerModality
from keras_balance.optimizers.update_scale import UpdateScale
from keras_balance.optimizers.update_scale import scale_update


def displacement(optimizer, gradient_scale=1.0, steps=200):
    """How far noisy gradients of one sign move a weight."""
    rng = np.random.default_rng(0)
    weight = keras.Variable(np.zeros(8, "float32"))
    optimizer.build([weight])
    for _ in range(steps):
        gradient = gradient_scale * (rng.normal(size=8) + 0.3)
        optimizer.apply([ops.convert_to_tensor(gradient.astype("float32"))])
    return ops.convert_to_numpy(weight)


def adam():
    return keras.optimizers.Adam(1e-3, epsilon=1e-7)


def test_scale_update_values():
    old = ops.convert_to_tensor([1.0, 2.0, 3.0])
    new = ops.convert_to_tensor([2.0, 0.0, 3.5])
    expected = {0.0: [1, 2, 3], 0.5: [1.5, 1, 3.25], 1.0: [2, 0, 3.5]}
    for factor, values in expected.items():
        result = ops.convert_to_numpy(scale_update(old, new, factor))
        np.testing.assert_array_equal(result, np.float32(values))
    factors = ops.convert_to_tensor([0.0, 0.5, 1.0])
    np.testing.assert_array_equal(
        ops.convert_to_numpy(scale_update(old, new, factors)), [1, 1, 3.5]
    )


def test_a_factor_of_one_is_exact():
    old, new = ops.convert_to_tensor([1e8]), ops.convert_to_tensor([1.0])
    assert float(ops.convert_to_numpy(scale_update(old, new, 1.0))[0]) == 1.0


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_adam_does_not_feel_a_constant_factor_on_the_gradient(factor):
    np.testing.assert_allclose(
        displacement(adam(), factor), displacement(adam()), rtol=1e-3
    )


@pytest.mark.parametrize("factor", [0.0, 0.1, 10.0])
def test_adam_feels_a_constant_factor_on_the_update(factor):
    np.testing.assert_allclose(
        displacement(UpdateScale(adam(), factor)),
        factor * displacement(adam()),
        rtol=1e-4,
        atol=1e-8,
    )


def test_sgd_feels_both_alike():
    np.testing.assert_allclose(
        displacement(UpdateScale(keras.optimizers.SGD(0.1), 0.3)),
        displacement(keras.optimizers.SGD(0.1), 0.3),
        rtol=1e-5,
    )


def test_decay_is_scaled_too():
    weight = keras.Variable([2.0])
    optimizer = UpdateScale(keras.optimizers.SGD(0.1, weight_decay=0.5), 0.25)
    optimizer.build([weight])
    optimizer.apply([ops.zeros(1)])
    value = float(ops.convert_to_numpy(weight)[0])
    assert value == pytest.approx(2 - 0.25 * 2 * 0.1 * 0.5)


def test_one_scale_per_variable(problem):
    model = problem.model()
    variables = model.trainable_variables
    before = [ops.convert_to_numpy(v).copy() for v in variables]
    optimizer = UpdateScale(keras.optimizers.SGD(1.0), [0, 0.5, 1, 2])
    optimizer.build(variables)
    gradients = problem.gradients(variables, 0)
    # Two calls, in another order: scales go with the variable.
    optimizer.apply(gradients[2:], variables[2:])
    optimizer.apply(gradients[1::-1], variables[1::-1])
    for w, v, g, k in zip(
        before, variables, gradients, [0, 0.5, 1, 2], strict=True
    ):
        np.testing.assert_allclose(
            ops.convert_to_numpy(v),
            w - k * ops.convert_to_numpy(g),
            atol=1e-6,
        )


def test_constraints_hold_afterwards(problem):
    model = problem.model(constraint=keras.constraints.UnitNorm(axis=0))
    optimizer = UpdateScale(keras.optimizers.SGD(0.5), 3.0)
    model = problem.compiled(optimizer, model)
    problem.fit(model)
    kernel = ops.convert_to_numpy(model.trainable_variables[0])
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 1, atol=1e-5)


def test_accumulation_moves_only_at_its_end(problem):
    model = problem.model()
    variables = model.trainable_variables
    optimizer = UpdateScale(
        keras.optimizers.SGD(1.0, gradient_accumulation_steps=3), 0.5
    )
    optimizer.build(variables)
    first = ops.convert_to_numpy(variables[0]).copy()
    total = 0
    for step in range(3):
        np.testing.assert_array_equal(ops.convert_to_numpy(variables[0]), first)
        gradients = problem.gradients(variables, step)
        total = total + ops.convert_to_numpy(gradients[0])
        optimizer.apply(gradients)
    np.testing.assert_allclose(
        ops.convert_to_numpy(variables[0]), first - 0.5 * total / 3, atol=1e-6
    )


def test_bad_arguments(problem):
    sgd = keras.optimizers.SGD
    averaging = sgd(0.1, use_ema=True)
    with pytest.raises(ValueError, match="use_ema=False"):
        UpdateScale(averaging, 0.5)
    with pytest.raises(ValueError, match="use_ema=False"):
        UpdateScale(PerModality(averaging, [[0, 1], [2, 3]]), 0.5)
    for scale in (-1.0, float("nan"), [1.0, float("inf")]):
        with pytest.raises(ValueError, match="finite and >= 0"):
            UpdateScale(sgd(0.1), scale)
    with pytest.raises(ValueError, match="one scale per variable"):
        UpdateScale(sgd(0.1), [1.0]).build(problem.model().trainable_variables)
