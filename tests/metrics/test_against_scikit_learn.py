"""The metrics beside scikit-learn, on random and on awkward input."""

import numpy as np
import pytest
import sklearn.calibration
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


@settings(deadline=None)
@given(cases())
def test_mean_average_precision_of_all_pairs(case):
    labels, scores = case
    expected = sklearn.metrics.average_precision_score(
        np.eye(scores.shape[1])[labels], scores, average="micro"
    )
    assert metrics.mean_average_precision(
        labels, scores, average="micro"
    ) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(cases())
def test_mean_class_accuracy(case):
    labels, scores = case
    predicted = scores.argmax(axis=1)
    expected = sklearn.metrics.recall_score(
        labels, predicted, labels=np.unique(labels), average="macro"
    )
    assert metrics.mean_class_accuracy(labels, scores) == pytest.approx(
        expected, abs=1e-12
    )


@settings(deadline=None)
@given(cases(), st.data())
def test_top_k_accuracy(case, data):
    labels, scores = case
    classes = scores.shape[1]
    assert metrics.top_k_accuracy(labels, scores, classes) == 1.0
    assert metrics.top_k_accuracy(labels, scores, 1) == metrics.accuracy(
        labels, scores
    )
    if classes > 2:
        k = data.draw(st.integers(1, classes - 1))
        # Of equal scores scikit-learn takes the last class: turned round.
        expected = sklearn.metrics.top_k_accuracy_score(
            classes - 1 - labels, scores[:, ::-1], k=k, labels=range(classes)
        )
        assert metrics.top_k_accuracy(labels, scores, k) == pytest.approx(
            expected, abs=1e-15
        )


@settings(deadline=None)
@given(cases())
def test_negative_log_likelihood(case):
    labels, scores = case
    probabilities = metrics.softmax(scores)
    expected = sklearn.metrics.log_loss(
        labels, probabilities, labels=range(scores.shape[1])
    )
    assert metrics.negative_log_likelihood(
        labels, probabilities
    ) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(cases(), st.integers(1, 20))
def test_reliability_and_calibration_error(case, bins):
    labels, scores = case
    probabilities = metrics.softmax(scores)
    right = probabilities.argmax(axis=1) == labels
    confidence = probabilities.max(axis=1)
    accuracies, confidences = sklearn.calibration.calibration_curve(
        right, confidence, n_bins=bins
    )
    curve = metrics.reliability_curve(labels, probabilities, bins)
    filled = [part for part in curve if part["count"]]
    assert [part["accuracy"] for part in filled] == pytest.approx(accuracies)
    assert [part["confidence"] for part in filled] == pytest.approx(confidences)
    counts, _ = np.histogram(-confidence, np.linspace(-1, 0, bins + 1))
    assert [part["count"] for part in curve] == counts[::-1].tolist()
    assert metrics.expected_calibration_error(
        labels, probabilities, bins
    ) == pytest.approx(
        abs(accuracies - confidences)
        @ counts[::-1][counts[::-1] > 0]
        / len(labels)
    )


def test_a_bin_holds_its_upper_edge():
    probabilities = np.array([[0.5, 0.5], [0.75, 0.25], [0.0, 1.0]])
    curve = metrics.reliability_curve([0, 1, 1], probabilities, bins=4)
    assert [part["count"] for part in curve] == [0, 1, 1, 1]
    assert curve[0] == {
        "low": 0.0,
        "high": 0.25,
        "count": 0,
        "confidence": None,
        "accuracy": None,
    }
    # |1 - 0.5| / 3 + |0 - 0.75| / 3 + 0
    assert metrics.expected_calibration_error(
        [0, 1, 1], probabilities, bins=4
    ) == pytest.approx(1.25 / 3)


def test_a_probability_of_zero_costs_a_finite_amount():
    value = metrics.negative_log_likelihood([1], [[1.0, 0.0]])
    assert value == pytest.approx(708.396, abs=1e-3)
    assert metrics.negative_log_likelihood([0], [[1.0 + 1e-7, 0.0]]) == 0.0


def test_top_k_of_equal_scores_takes_the_first_classes():
    labels = np.array([0, 1, 2, 3])
    assert metrics.top_k_accuracy(labels, np.zeros((4, 4)), k=3) == 0.75


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
