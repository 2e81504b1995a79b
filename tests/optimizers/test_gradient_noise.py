"""The noise of OGM-GE: its size, its state, and who gets it."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_balance.optimizers.gradient_noise import GradientNoise
from keras_balance.optimizers.gradient_noise import tensor_noise


def test_deviation_is_the_unbiased_one_of_all_elements():
    # Published test vector: sigma = .264575, sigma^2 = .07; ddof 0 would
    # give .229129.
    gradient = ops.convert_to_tensor([0.1, -0.2, 0.3, 0.4])
    seed = keras.random.SeedGenerator(0)
    draws = np.concatenate(
        [
            ops.convert_to_numpy(tensor_noise(gradient, seed))
            for _ in range(5000)
        ]
    )
    # 20000 draws: the variance's standard error is .07 * sqrt(2 / 20000).
    assert draws.var() == pytest.approx(0.07, abs=4 * 0.0007)
    assert abs(draws.mean()) < 4 * 0.264575 / np.sqrt(20000)


def test_shape_and_dtype():
    for dtype in ("float32", "float16", "bfloat16"):
        gradient = ops.ones((3, 3, 2, 5), dtype=dtype)
        noise = tensor_noise(gradient, 1)
        assert tuple(noise.shape) == (3, 3, 2, 5)
        assert keras.backend.standardize_dtype(noise.dtype) == dtype


def test_one_element_gets_none():
    for shape in [(), (1,), (1, 1)]:
        noise = tensor_noise(ops.ones(shape), 1)
        np.testing.assert_array_equal(ops.convert_to_numpy(noise), 0)


def test_a_constant_gradient_gets_almost_none():
    noise = ops.convert_to_numpy(tensor_noise(ops.ones((1000,)), 1))
    assert 0 < np.abs(noise).max() < 1e-6


def step_of(optimizer, gradients, variables):
    before = [ops.convert_to_numpy(v).copy() for v in variables]
    optimizer.apply(gradients, variables)
    return [
        ops.convert_to_numpy(v) - w
        for v, w in zip(variables, before, strict=True)
    ]


def test_only_the_named_indices_are_noisy(problem):
    variables = problem.model().trainable_variables
    gradients = problem.gradients(variables, 0)
    optimizer = GradientNoise(keras.optimizers.SGD(1.0), 0, indices=[0, 3])
    optimizer.build(variables)
    noise = [
        ops.convert_to_numpy(g) + moved
        for g, moved in zip(
            gradients, step_of(optimizer, gradients, variables), strict=True
        )
    ]
    loud = [bool(np.abs(n).max() > 1e-3) for n in noise]
    assert loud == [True, False, False, True]


def test_draws_differ_from_step_to_step(problem):
    # In the compiled step, where a state that is not the optimizer's would
    # be a constant of the program.
    model = problem.compiled(GradientNoise(keras.optimizers.SGD(1.0), 0))
    x, y = problem.x[:8], problem.y[:8]
    seen = []
    start = model.get_weights()
    for _ in range(3):
        model.set_weights(start)
        model.train_on_batch(x, y)
        seen.append(model.get_weights()[0])
    assert np.abs(seen[0] - seen[1]).max() > 1e-4
    assert np.abs(seen[1] - seen[2]).max() > 1e-4


def test_a_seed_gives_the_same_run(problem, assert_same):
    def run(seed):
        optimizer = GradientNoise(keras.optimizers.SGD(0.1), seed)
        return problem.trained(optimizer).variables

    assert_same(run(5), run(5))
    with pytest.raises(AssertionError):
        assert_same(run(5), run(6))


def test_bad_indices(problem):
    for indices in ([-1], [0, 0], [0.5], "ab"):
        with pytest.raises(ValueError, match="different variable indices"):
            GradientNoise(keras.optimizers.SGD(0.1), indices=indices)
    optimizer = GradientNoise(keras.optimizers.SGD(0.1), indices=[4])
    with pytest.raises(ValueError, match="indices below 4"):
        optimizer.build(problem.model().trainable_variables)
