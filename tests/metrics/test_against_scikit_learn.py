"""The metrics beside scikit-learn, on random and on awkward input."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_balance import metrics


@st.composite
def cases(draw):
    """Labels and scores; few distinct scores, so that ties are common."""
    samples = draw(st.integers(1, 60))
    classes = draw(st.integers(2, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.integers(0, draw(st.integers(1, classes)), samples)
    scores = rng.normal(size=(samples, classes))
    if draw(st.booleans()):
        scores = np.round(scores)
    return labels, scores


@settings(deadline=None)
@given(cases())
def test_accuracy_and_confusion(case):
    labels, scores = case
    classes = scores.shape[1]
    predicted = scores.argmax(axis=1)
    assert metrics.accuracy(labels, scores) == pytest.approx(
        sklearn.metrics.accuracy_score(labels, predicted), abs=1e-15
    )
    np.testing.assert_array_equal(
        metrics.confusion_matrix(labels, scores),
        sklearn.metrics.confusion_matrix(
            labels, predicted, labels=range(classes)
        ),
    )


@settings(deadline=None)
@given(cases())
def test_macro_f1_over_declared_classes(case):
    labels, scores = case
    expected = sklearn.metrics.f1_score(
        labels,
        scores.argmax(axis=1),
        labels=range(scores.shape[1]),
        average="macro",
        zero_division=0,
    )
    assert metrics.macro_f1(labels, scores) == pytest.approx(expected)


@settings(deadline=None)
@given(cases())
def test_mean_average_precision_over_present_classes(case):
    labels, scores = case
    expected = np.mean(
        [
            sklearn.metrics.average_precision_score(labels == c, scores[:, c])
            for c in np.unique(labels)
        ]
    )
    assert metrics.mean_average_precision(labels, scores) == pytest.approx(
        expected, abs=1e-12
    )


def test_softmax_is_stable_and_sums_to_one():
    logits = np.array([[1e4, 0.0, -1e4], [1.0, 2.0, 3.0]], dtype="float32")
    probabilities = metrics.softmax(logits)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(
        probabilities[1], [0.09003057, 0.24472847, 0.66524096], atol=1e-8
    )


def test_an_absent_class_counts_in_macro_f1_and_not_in_map():
    labels = np.array([0, 1, 0, 1])
    scores = np.eye(3)[labels]
    assert metrics.macro_f1(labels, scores) == pytest.approx(2 / 3)
    assert metrics.mean_average_precision(labels, scores) == 1.0
    assert sklearn.metrics.f1_score(labels, labels, average="macro") == 1.0


def test_equal_scores_give_the_share_of_the_class():
    labels = np.array([0, 0, 0, 1])
    value = metrics.mean_average_precision(labels, np.zeros((4, 2)))
    assert value == pytest.approx((0.75 + 0.25) / 2)
