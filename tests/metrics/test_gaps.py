"""Gaps between modalities, and between training and held-out data."""

import numpy as np
import pytest

from keras_balance import metrics


def test_score_gap_by_hand():
    # Probabilities of the true class: 3/4 and 1/2, then 1/2 and 1/4.
    first = np.log([[3.0, 1.0], [1.0, 1.0]])
    second = np.log([[1.0, 1.0], [3.0, 1.0]])
    assert metrics.score_gap([0, 1], first, second) == pytest.approx(0.25)
    assert metrics.score_gap([0, 1], first, first) == 0.0


def test_representation_gap_by_hand():
    first = np.array([[3.0, 0.0], [0.0, 5.0]])  # centroid (1/2, 1/2)
    second = np.array([[3.0, 4.0], [0.0, 0.0]])  # centroid (0.3, 0.4)
    assert metrics.representation_gap(first, second) == pytest.approx(
        np.hypot(0.2, 0.1)
    )
    assert metrics.representation_gap(first, 7 * first) == 0.0
    opposite = metrics.representation_gap([[1.0, 0.0]], [[-2.0, 0.0]])
    assert opposite == 2.0


def test_representation_gap_flattens():
    maps = np.arange(24.0).reshape(2, 3, 4)
    assert metrics.representation_gap(maps, maps.reshape(2, 12)) == 0.0


def test_overfitting_to_generalization_ratio():
    ratio = metrics.overfitting_to_generalization_ratio
    assert ratio([0.9, 0.6], [1.0, 0.85]) == pytest.approx(1.0)
    # What lies between the first and the last checkpoint has no influence.
    assert ratio([0.9, 5.0, 0.6], [1.0, 7.0, 0.85]) == pytest.approx(1.0)
    assert ratio([2.0, 0.8], [2.0, 1.2]) == pytest.approx(0.5)
    assert ratio([1.0, 0.5], [1.0, 1.0]) is None
    assert ratio([1.0, 0.5], [1.0, 1.5]) is None
