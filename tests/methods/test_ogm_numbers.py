"""OGM and GE on numbers: hand-computed from the paper's equations."""

import keras
import networks
import numpy as np
import pytest
import table
from keras import ops

from keras_balance.methods.ogm import boost_coefficients
from keras_balance.methods.ogm import discrepancy_ratios
from keras_balance.methods.ogm import ogm_coefficients
from keras_balance.optimizers.gradient_noise import tensor_noise

# Summed true-class probabilities of three rows (test_score_numbers.py).
AUDIO, VISUAL, TEXT = 1.996029, 1.036899, 1.211908
VARIANTS = ("paper", "code")


def ratios(*scores):
    scores = ops.convert_to_tensor(np.array(scores, "float32"))
    return ops.convert_to_numpy(discrepancy_ratios(scores))


def coefficients(*scores, **arguments):
    scores = ops.convert_to_tensor(np.array(scores, "float32"))
    return ops.convert_to_numpy(ogm_coefficients(scores, **arguments))


def test_ratios_of_two():
    np.testing.assert_allclose(
        ratios(AUDIO, VISUAL), [1.924998, 0.519481], rtol=2e-6
    )


def test_ratios_of_three_are_means_over_the_others():
    np.testing.assert_allclose(
        ratios(AUDIO, VISUAL, TEXT),
        [1.786005, 0.687537, 0.887970],
        rtol=2e-6,
    )


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "alpha, k",
    [(0.1, 0.809843), (0.3, 0.479155), (0.8, 0.087880), (1, 0.041673)],
)
def test_the_stronger_is_damped_and_the_weaker_is_not(alpha, k, variant):
    np.testing.assert_allclose(
        coefficients(AUDIO, VISUAL, alpha=alpha, variant=variant),
        [k, 1.0],
        atol=2e-6,
    )
    np.testing.assert_allclose(
        coefficients(VISUAL, AUDIO, alpha=alpha, variant=variant),
        [1.0, k],
        atol=2e-6,
    )


def test_three_modalities():
    # 1 - tanh(0.8 * 1.786005); no other ratio is above 1.
    np.testing.assert_allclose(
        coefficients(AUDIO, VISUAL, TEXT, alpha=0.8),
        [0.108579, 1, 1],
        atol=2e-6,
    )


@pytest.mark.parametrize(
    "alpha, jump",
    [(0.1, 0.900332), (0.3, 0.708687), (0.8, 0.335963), (1, 0.238406)],
)
def test_the_jump_at_equal_scores(alpha, jump):
    just_above = coefficients(1.000001, 1.0, alpha=alpha)
    np.testing.assert_allclose(just_above, [jump, 1], atol=3e-6)
    assert coefficients(1.0, 1.0, alpha=alpha).tolist() == [1, 1]
    # The released code damps the first of equals.
    np.testing.assert_allclose(
        coefficients(1.0, 1.0, alpha=alpha, variant="code"),
        [jump, 1],
        atol=3e-6,
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_scores_of_zero(variant):
    arguments = {"alpha": 0.8, "variant": variant}
    assert coefficients(0, 0, **arguments).tolist() == [1, 1]
    assert coefficients(0, 0, 0, **arguments).tolist() == [1, 1, 1]
    assert coefficients(0, 2, **arguments).tolist() == [1, 0]
    assert coefficients(2, 0, **arguments).tolist() == [0, 1]
    assert coefficients(0, 2, 0, **arguments).tolist() == [1, 0, 1]


def boosts(*scores, **arguments):
    scores = ops.convert_to_tensor(np.array(scores, "float32"))
    return ops.convert_to_numpy(boost_coefficients(scores, **arguments))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "alpha, k",
    [(0.1, 1.190157), (0.3, 1.520845), (0.8, 1.912120), (1, 1.958327)],
)
def test_the_weaker_is_sped_up_and_the_stronger_is_not(alpha, k, variant):
    # 1 + tanh(alpha * 1.924998): as far above 1 as damping is below.
    arguments = {"alpha": alpha, "variant": variant}
    np.testing.assert_allclose(
        boosts(AUDIO, VISUAL, **arguments), [1, k], atol=2e-6
    )
    np.testing.assert_allclose(
        boosts(VISUAL, AUDIO, **arguments), [k, 1], atol=2e-6
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_fixed_boost_is_of_four(variant):
    assert boosts(AUDIO, VISUAL, variant=variant).tolist() == [1, 4]
    assert boosts(VISUAL, AUDIO, variant=variant).tolist() == [4, 1]


def test_boosts_of_equal_scores_and_of_zero():
    assert boosts(1.0, 1.0, alpha=0.8).tolist() == [1, 1]
    assert boosts(1.0, 1.0, variant="code").tolist() == [1, 4]
    for variant in VARIANTS:
        assert boosts(0, 0, variant=variant).tolist() == [1, 1]
        assert boosts(0, 2, alpha=0.8, variant=variant).tolist() == [2, 1]
        assert boosts(2, 0, alpha=0.8, variant=variant).tolist() == [1, 2]


def test_boosts_of_three():
    # The mean of s_j / s_m over the others, for each: 0.563 (audio),
    # 1.546889 (visual), 1.251303 (text).
    found = boosts(AUDIO, VISUAL, TEXT, alpha=0.8)
    expected = 1 + np.tanh(0.8 * np.array([1.546889, 1.251303]))
    np.testing.assert_allclose(found, [1, *expected], atol=2e-6)


def noise(gradient, seed=0):
    gradient = ops.convert_to_tensor(np.array(gradient, "float32"))
    return ops.convert_to_numpy(tensor_noise(gradient, seed))


@pytest.fixture
def draws(monkeypatch):
    """Every normal draw is one, so that noise is its own deviation."""

    def ones(shape, dtype="float32", **_):
        return ops.ones(shape, dtype=dtype)

    monkeypatch.setattr(keras.random, "normal", ones)


def test_the_noise_has_the_unbiased_deviation_of_the_elements(draws):
    expected = [0.264575] * 4
    np.testing.assert_allclose(
        noise([0.1, -0.2, 0.3, 0.4]), expected, rtol=2e-6
    )
    # One deviation for all elements, whatever their place and mean.
    shifted = noise([[10.1, 9.8], [10.3, 10.4]])
    np.testing.assert_allclose(shifted, [expected[:2]] * 2, rtol=1e-5)


def test_equal_elements_give_noise_of_1e_minus_8(draws):
    np.testing.assert_allclose(noise([3.0, 3.0]), [1e-8, 1e-8], rtol=1e-3)


def test_one_element_has_no_noise(draws):
    assert noise([0.7]).tolist() == [0]
    assert noise(0.7).tolist() == 0


def test_variance_of_many_draws():
    generator = keras.random.SeedGenerator(1)
    gradient = ops.convert_to_tensor(np.float32([0.1, -0.2, 0.3, 0.4] * 64))
    drawn = [
        ops.convert_to_numpy(tensor_noise(gradient, generator))
        for _ in range(40)
    ]
    # ddof 1 over 256 elements; 40 * 256 draws know it to 1.4 %.
    expected = np.var([0.1, -0.2, 0.3, 0.4] * 64, ddof=1)
    assert np.var(drawn) == pytest.approx(expected, rel=0.06)
    assert np.mean(drawn) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    "slug, mode",
    [("ogm", "damp"), ("ogm-acc", "accelerate"), ("ogm-plus", "fixed")],
)
def test_slugs_preset_the_mode(slug, mode):
    model = networks.model(table.Row(slug))
    assert model.mode == mode
    assert model.get_config()["mode"] == mode


def test_unknown_modes_are_refused():
    with pytest.raises(ValueError, match="mode must be one of"):
        networks.model(table.Row("ogm"), mode="slow")
