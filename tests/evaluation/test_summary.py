"""The numbers that go into evaluation.json."""

import json

import numpy as np
import pytest

from keras_balance.evaluation import summarize

LABELS = np.array([0, 1, 2, 1], dtype="int32")
LOGITS = np.eye(3, dtype="float32")[[0, 1, 2, 0]]


def test_plain_values_of_known_logits():
    outputs = {
        "labels": LABELS,
        "logits": LOGITS,
        "unimodal/b": np.eye(3)[LABELS],
        "unimodal/a": np.zeros((4, 3)),
        "features/a": np.zeros((4, 9)),
    }
    summary = summarize(outputs, ("x", "y", "z"), ("a", "b"))
    assert json.loads(json.dumps(summary)) == summary
    assert summary["accuracy"] == 0.75
    assert summary["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert summary["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert list(summary["per_modality"]) == ["a", "b"]
    assert summary["per_modality"]["a"]["accuracy"] == 0.25
    assert summary["per_modality"]["b"] == {
        "accuracy": 1.0,
        "macro_f1": 1.0,
        "map": 1.0,
    }
    assert summary["modality_confusion"]["a"][1] == [2, 0, 0]
    assert summary["class_names"] == ["x", "y", "z"]
    assert summary["samples"] == 4


def test_without_unimodal_logits():
    outputs = {"labels": LABELS, "logits": LOGITS}
    summary = summarize(outputs, ("x", "y", "z"), ("a", "b"))
    assert summary["per_modality"] == {}
    assert summary["modality_confusion"] == {}


def test_names_that_do_not_match():
    outputs = {"labels": LABELS, "logits": LOGITS}
    with pytest.raises(ValueError, match=r"logits.shape=\(4, 3\), class_names"):
        summarize(outputs, ("x", "y"), ())
