"""MLB on numbers: hand-computed from the paper's equations."""

import numpy as np
import pytest
from keras import ops

from keras_balance.methods.multi_loss import mlb_coefficients

# Summed true-class probabilities of three rows (test_score_numbers.py).
AUDIO, VISUAL, TEXT = 1.996029, 1.036899, 1.211908


def coefficients(*scores, alpha, beta_max):
    scores = ops.convert_to_tensor(np.array(scores, "float32"))
    return ops.convert_to_numpy(mlb_coefficients(scores, alpha, beta_max))


@pytest.mark.parametrize(
    "alpha, beta_max, expected",
    [
        (0.8, 2, [0.633464, 1.629144]),
        (0.5, 10, [0.764259, 4.889068]),
        (1, 2, [0.553341, 1.728253]),
        (2, 1, [0.255261, 1.0]),
    ],
)
def test_two_modalities(alpha, beta_max, expected):
    np.testing.assert_allclose(
        coefficients(AUDIO, VISUAL, alpha=alpha, beta_max=beta_max),
        expected,
        rtol=5e-6,
    )


@pytest.mark.parametrize(
    "alpha, beta_max, expected",
    [
        (0.8, 2, [0.664207, 1.411580, 1.198377]),
        (0.5, 10, [0.785065, 3.401444, 2.124949]),
    ],
)
def test_three_modalities(alpha, beta_max, expected):
    np.testing.assert_allclose(
        coefficients(AUDIO, VISUAL, TEXT, alpha=alpha, beta_max=beta_max),
        expected,
        rtol=5e-6,
    )


@pytest.mark.parametrize(
    "alpha, least",
    [(0.5, 0.537883), (0.8, 0.335963), (2, 0.035972), (5, 9.1e-5)],
)
def test_the_least_is_one_minus_tanh_alpha(alpha, least):
    k = coefficients(64.0, 0.0, alpha=alpha, beta_max=7)
    # Nothing is as weak as a score of zero: its limit is beta_max.
    np.testing.assert_allclose(k, [least, 7.0], atol=5e-7)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("score", [0.0, 1e-6, 0.3, 1.1, 61.7])
def test_equal_scores_give_exactly_one(score, count):
    k = coefficients(*[score] * count, alpha=0.8, beta_max=10)
    assert k.tolist() == [1.0] * count


def test_no_alpha_leaves_every_step_as_it_is():
    assert coefficients(3, 0, 1, alpha=0, beta_max=10).tolist() == [1, 1, 1]


def test_a_beta_of_one_speeds_nothing_up():
    k = coefficients(3, 1, 0, alpha=2, beta_max=1)
    assert k[0] < 1 and k[1:].tolist() == [1, 1]
