"""Soft filters of gradients: numbers, and what holds for any covariance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from keras import ops

import keras_balance as kb
from keras_balance.optimizers import projections


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def tensor(values):
    return ops.convert_to_tensor(np.array(values, "float32"))


def flat_filter(covariance, temperature):
    found = projections.flat_filter(tensor(covariance), temperature)
    return numpy(found).astype("float64")


@pytest.mark.parametrize(
    "temperature, expected",
    [(0.4, [0.670320, 0.875173, 1]), (1.0, [0.367879, 0.716531, 1])],
)
def test_weights_of_the_fact_sheet(temperature, expected):
    found = projections.flat_weights(tensor([4, 2, 1]), temperature)
    np.testing.assert_allclose(numpy(found), expected, atol=1e-6)


def test_the_filter_of_the_fact_sheet():
    means = np.array([[1.0, 0.0], [1.0, 1.0]])
    covariance = means.T @ means
    np.testing.assert_array_equal(covariance, [[2, 1], [1, 1]])
    values = np.linalg.eigvalsh(covariance)
    np.testing.assert_allclose(values, [0.381966, 2.618034], atol=1e-6)
    weights = numpy(projections.flat_weights(tensor(values), 0.4))
    np.testing.assert_allclose(weights, [1, 0.670320], atol=1e-6)
    found = flat_filter(covariance, 0.4)
    expected = [[0.761441, -0.147437], [-0.147437, 0.908879]]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    # Of a torch weight (units, dim), G T; of a Keras kernel, T G'.
    gradient = np.array([[1.0, 0.0], [0.0, 2.0]])
    expected = [[0.761441, -0.147437], [-0.294875, 1.817757]]
    np.testing.assert_allclose((found @ gradient.T).T, expected, atol=2e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 12),
    st.floats(0.0, 3.0),
    st.floats(-8.0, 8.0),
)
def test_the_filter_is_soft(seed, rows, temperature, scale):
    random = np.random.default_rng(seed)
    given = random.normal(size=(rows, 6))
    covariance = given.T @ given
    found = flat_filter(10.0**scale * covariance, temperature)
    np.testing.assert_array_equal(found, found.T)
    values = np.linalg.eigvalsh(found)
    assert np.exp(-temperature) - 1e-4 < values.min()
    assert values.max() < 1 + 1e-4
    gradient = random.normal(size=(6, 3))
    assert np.sum(gradient * (found @ gradient)) > 0
    # By the singular vectors, whatever their sign and order.
    u, size, _ = np.linalg.svd(covariance)
    share = (size - size.min()) / (size.max() - size.min())
    expected = u @ np.diag(np.exp(-temperature * share)) @ u.T
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize(
    "covariance",
    [np.zeros((3, 3)), np.eye(3), 1e-30 * np.eye(3), 7e20 * np.eye(3)],
)
def test_equal_eigenvalues_filter_nothing(covariance):
    np.testing.assert_allclose(flat_filter(covariance, 1.0), np.eye(3))


def test_matrices_of_low_rank():
    random = np.random.default_rng(0)
    for _ in range(40):
        given = np.maximum(random.normal(size=(1, 256)), 0)
        found = flat_filter(given.T @ given, 0.4)
        direction = given[0] / np.linalg.norm(given)
        expected = np.eye(256) - (1 - np.exp(-0.4)) * np.outer(
            direction, direction
        )
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_temperature_zero_filters_nothing():
    covariance = [[2, 1], [1, 1]]
    found = flat_filter(covariance, 0.0)
    np.testing.assert_allclose(found, np.eye(2), atol=1e-6)


def test_what_is_left_of_gradients():
    before = [tensor([[3.0]]), tensor([0.0, 4.0])]
    after = [tensor([[0.0]]), tensor([0.0, 4.0])]
    share, weight = map(numpy, projections.kept_share(before, after))
    assert (float(share), float(weight)) == (pytest.approx(0.8), 1)
    share, weight = map(numpy, projections.kept_share(*[[tensor([0.0])]] * 2))
    assert (float(share), float(weight)) == (1, 1)
    broken = [tensor([np.inf])]
    share, weight = map(numpy, projections.kept_share(broken, broken))
    assert (float(share), float(weight)) == (1, 0)


def test_they_are_public():
    assert kb.optimizers.flat_filter is projections.flat_filter
    assert kb.optimizers.next_projection is projections.next_projection


def test_a_slightly_negative_eigenvalue_is_the_flattest():
    found = flat_filter(np.diag([1.0, 0.5, -1e-6]), 1.0)
    expected = np.diag([np.exp(-1), np.exp(-0.5), 1])
    np.testing.assert_allclose(found, expected, atol=1e-5)
