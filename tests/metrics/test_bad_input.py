"""Every metric names what is wrong with its arrays."""

import numpy as np
import pytest

from keras_balance import metrics

METRICS = [
    metrics.accuracy,
    metrics.macro_f1,
    metrics.mean_average_precision,
    metrics.confusion_matrix,
    metrics.mean_class_accuracy,
    metrics.top_k_accuracy,
    metrics.expected_calibration_error,
    metrics.reliability_curve,
    metrics.negative_log_likelihood,
]
GOOD = np.array([[0.2, 0.8], [0.6, 0.4]])
BAD = {
    "empty": ([], np.zeros((0, 2)), r"Received: scores.shape=\(0, 2\)"),
    "no classes": ([0], np.zeros((1, 0)), r"scores.shape=\(1, 0\)"),
    "flat scores": ([0, 1], [0.1, 0.2], r"Received: scores.shape=\(2,\)"),
    "lengths": ([0, 1, 1], GOOD, r"labels.shape=\(3,\), scores.shape=\(2, 2\)"),
    "one-hot": (np.eye(2, dtype=int), GOOD, r"labels.shape=\(2, 2\)"),
    "float labels": ([0.0, 1.0], GOOD, "Received: labels.dtype=float64"),
    "boolean labels": ([False, True], GOOD, "Received: labels.dtype=bool"),
    "too high": ([0, 2], GOOD, r"Received: labels\[1\]=2 \(1 such labels\)"),
    "negative": ([-1, 0], GOOD, r"Received: labels\[0\]=-1"),
    "NaN": ([0, 1], [[0, 1], [np.nan, 0]], r"scores\[1\]=\[nan, 0.0\]"),
    "infinite": ([0, 1], [[0, np.inf], [1, 0]], r"scores\[0\]=\[0.0, inf\]"),
}


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("case", BAD)
def test_refused_with_what_was_received(metric, case):
    labels, scores, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        metric(labels, scores)


def test_softmax_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="Expected finite `scores`"):
        metrics.softmax([[0.0, np.nan]])


CALLS = {
    "probabilities": (
        lambda: metrics.expected_calibration_error([0, 1], [[3, 1], [1, 0]]),
        r"Received: probabilities\[0\]=\[3.0, 1.0\] \(1 such rows\)",
    ),
    "negative probabilities": (
        lambda: metrics.negative_log_likelihood([0], [[1.5, -0.5]]),
        r"each row summing to 1.*probabilities\[0\]=\[1.5, -0.5\]",
    ),
    "bins": (
        lambda: metrics.reliability_curve([0, 1], GOOD, bins=0),
        "Expected `bins` of 1 or more. Received: bins=0",
    ),
    "k": (
        lambda: metrics.top_k_accuracy([0, 1], GOOD, k=3),
        "Expected `k` from 1 to 2, the number of classes. Received: k=3",
    ),
    "average": (
        lambda: metrics.mean_average_precision([0, 1], GOOD, "weighted"),
        "'macro' or 'micro'. Received: average='weighted'",
    ),
    "MIR of three": (
        lambda: metrics.modality_imbalance_ratio({"a": 1, "b": 1, "c": 1}),
        r"see `imbalance_ratio_matrix`. Received: .*\['a', 'b', 'c'\]",
    ),
    "MIR of another": (
        lambda: metrics.modality_imbalance_ratio({"a": 1, "b": 1}, "c"),
        "Received: strong='c'",
    ),
    "negative accuracy": (
        lambda: metrics.imbalance_ratio_matrix({"a": 0.5, "b": -0.5}),
        r"Received: accuracies\['b'\]=-0.5",
    ),
    "NaN accuracy": (
        lambda: metrics.imbalance_ratio_matrix({"a": float("nan")}),
        r"Received: accuracies\['a'\]=nan",
    ),
    "DMC of others": (
        lambda: metrics.degree_of_modality_competition(
            {"a": 1, "b": 1}, {"a": 1, "c": 1}
        ),
        r"same modalities. Received: .*'c': 1",
    ),
    "agreement of none": (
        lambda: metrics.agreement([0, 1], GOOD, {}),
        "one modality or more. Received: unimodal={}",
    ),
    "agreement of other classes": (
        lambda: metrics.agreement(
            [0, 1], GOOD, {"a": GOOD, "b": np.zeros((2, 3))}
        ),
        r"'a': \(2, 2\), 'b': \(2, 3\)",
    ),
    "missing coalition": (
        lambda: metrics.shapley({(): 0, ("a",): 1, ("b", "a"): 2}, "ab"),
        r"missing=\[\('b',\)\], unknown=\[\]",
    ),
    "unknown coalition": (
        lambda: metrics.shapley({(): 0, ("a",): 1, ("c",): 2}, "a"),
        r"missing=\[\], unknown=\[\('c',\)\]",
    ),
    "valuation without the single ones": (
        lambda: metrics.sample_valuation([0, 1], {("a", "b"): GOOD}),
        r"missing=\[\('a',\), \('b',\)\]",
    ),
    "no contribution": (
        lambda: metrics.imbalance_degree({}),
        "Received: contributions={}",
    ),
    "flat features": (
        lambda: metrics.representation_gap([1.0], [[1.0]]),
        r"first_features.shape=\(1,\)",
    ),
    "infinite features": (
        lambda: metrics.representation_gap([[1.0]], [[np.inf]]),
        "Expected finite `second_features`",
    ),
    "features of other dimensions": (
        lambda: metrics.representation_gap([[1.0]], [[1.0, 2.0]]),
        "Received: 1 and 2 values a row",
    ),
    "one checkpoint": (
        lambda: metrics.overfitting_to_generalization_ratio([1], [1]),
        r"two losses or more.*train_losses.shape=\(1,\)",
    ),
    "infinite loss": (
        lambda: metrics.overfitting_to_generalization_ratio(
            [1, np.inf], [1, 0]
        ),
        r"train_losses=\[1.0, inf\]",
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_refused_call(case):
    call, message = CALLS[case]
    with pytest.raises(ValueError, match=message):
        call()
