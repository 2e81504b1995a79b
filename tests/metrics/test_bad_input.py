"""Every metric names what is wrong with its arrays."""

import numpy as np
import pytest

from keras_balance import metrics

METRICS = [
    metrics.accuracy,
    metrics.macro_f1,
    metrics.mean_average_precision,
    metrics.confusion_matrix,
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
