"""What holds for the coefficients of any scores."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops

from keras_balance.methods.multi_loss import mlb_coefficients
from keras_balance.methods.ogm import discrepancy_ratios
from keras_balance.methods.ogm import ogm_coefficients

FEW = hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
ALPHAS = st.floats(0.05, 3.0)
BETAS = st.floats(1.0, 20.0)
VARIANTS = st.sampled_from(["paper", "code"])


def scores(smallest=0.0):
    """Sums of probabilities over a batch, of 2 to 4 modalities."""
    return st.lists(
        st.floats(smallest, 64.0, width=32), min_size=2, max_size=4
    ).map(lambda values: np.array(values, "float32"))


def on(function, array, *arguments):
    array = ops.convert_to_tensor(np.asarray(array, "float32"))
    return ops.convert_to_numpy(function(array, *arguments))


def away_from_the_jump(array):
    """OGM's coefficient jumps at 1: rounding there may go either way."""
    hypothesis.assume(np.abs(on(discrepancy_ratios, array) - 1).min() > 1e-4)


@FEW
@hypothesis.given(scores(), ALPHAS, VARIANTS)
def test_ogm_only_damps(array, alpha, variant):
    k = on(ogm_coefficients, array, alpha, variant)
    assert ((k >= 0) & (k <= 1)).all(), k
    # A damped one is at least as slow as at the jump.
    damped = k < 1
    assert (k[damped] <= 1 - np.tanh(alpha) + 1e-6).all(), k
    if variant == "paper":
        rho = on(discrepancy_ratios, array)
        assert (damped == (rho > 1)).all(), (k, rho)
        assert not damped[array.argmin()], k


@FEW
@hypothesis.given(scores(), ALPHAS, BETAS)
def test_mlb_is_bounded_and_follows_the_scores(array, alpha, beta):
    k = on(mlb_coefficients, array, alpha, beta)
    assert (k >= 1 - np.tanh(alpha) - 1e-6).all(), k
    assert (k <= beta + 1e-6).all() or beta == 1, k
    assert (k <= max(beta, 1) * (1 + 1e-6)).all(), k
    order = np.argsort(array, kind="stable")
    assert (np.diff(k[order]) <= 1e-5 * beta).all(), (array, k)


@FEW
@hypothesis.given(scores(2.0**-10), ALPHAS, st.randoms(use_true_random=False))
def test_permuted_modalities_have_permuted_coefficients(array, alpha, random):
    order = list(range(len(array)))
    random.shuffle(order)
    k = on(mlb_coefficients, array, alpha, 5.0)
    permuted = on(mlb_coefficients, array[order], alpha, 5.0)
    np.testing.assert_allclose(permuted, k[order], rtol=1e-4, atol=1e-5)
    away_from_the_jump(array)
    k = on(ogm_coefficients, array, alpha)
    permuted = on(ogm_coefficients, array[order], alpha)
    np.testing.assert_allclose(permuted, k[order], rtol=1e-4, atol=1e-5)


@FEW
@hypothesis.given(scores(2.0**-6), ALPHAS, st.floats(0.1, 20.0))
def test_a_common_factor_changes_nothing(array, alpha, factor):
    np.testing.assert_allclose(
        on(mlb_coefficients, factor * array, alpha, 5.0),
        on(mlb_coefficients, array, alpha, 5.0),
        rtol=2e-4,
        atol=1e-5,
    )
    away_from_the_jump(array)
    np.testing.assert_allclose(
        on(ogm_coefficients, factor * array, alpha),
        on(ogm_coefficients, array, alpha),
        rtol=2e-4,
        atol=1e-5,
    )


@FEW
@hypothesis.given(
    st.floats(0.0, 64.0, width=32), st.integers(2, 5), ALPHAS, BETAS
)
def test_equal_scores_change_nothing(score, count, alpha, beta):
    equal = np.full(count, score, "float32")
    assert on(mlb_coefficients, equal, alpha, beta).tolist() == [1] * count
    assert on(ogm_coefficients, equal, alpha).tolist() == [1] * count


@FEW
@hypothesis.given(
    st.floats(0.1, 64.0), ALPHAS, BETAS, st.sampled_from([1e-4, 1e-3])
)
def test_mlb_is_continuous_where_ogm_jumps(score, alpha, beta, step):
    # The second modality is stronger by `step`.
    array = np.array([score, score * (1 + step)])
    k = on(mlb_coefficients, array, alpha, beta)
    slope = alpha * max(beta - 1, 1)
    assert np.abs(k - 1).max() <= 1.05 * slope * step + 1e-5, k
    k = on(ogm_coefficients, array, alpha)
    assert k[0] == 1
    assert k[1] == pytest.approx(1 - np.tanh(alpha), abs=2 * alpha * step)


@FEW
@hypothesis.given(scores(), BETAS, VARIANTS)
def test_without_alpha_nothing_is_modulated(array, beta, variant):
    ones = [1] * len(array)
    assert on(ogm_coefficients, array, 0.0, variant).tolist() == ones
    assert on(mlb_coefficients, array, 0.0, beta).tolist() == ones
