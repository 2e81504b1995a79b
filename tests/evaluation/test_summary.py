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
    certain = np.exp(1) / (np.exp(1) + 2)  # softmax of (1, 0, 0)
    assert summary["per_modality"]["b"] == pytest.approx(
        {
            "accuracy": 1.0,
            "macro_f1": 1.0,
            "map": 1.0,
            "map_micro": 1.0,
            "ece": 1 - certain,
            "ece10": 1 - certain,
            "nll": -np.log(certain),
            "mean_class_accuracy": 1.0,
        }
    )
    assert list(summary["reliability"]) == ["fused", "a", "b"]
    assert [len(curve) for curve in summary["reliability"].values()] == [15] * 3
    assert summary["agreement"] == [
        {"right": ["a", "b"], "samples": 1, "fused_right": 1},
        {"right": ["a"], "samples": 0, "fused_right": 0},
        {"right": ["b"], "samples": 3, "fused_right": 2},
        {"right": [], "samples": 0, "fused_right": 0},
    ]
    assert summary["gaps"]["score"] == pytest.approx({"a|b": certain - 1 / 3})
    assert summary["imbalance_ratio"]["b"] == {"a": 4.0, "b": 1.0}
    assert summary["modality_confusion"]["a"][1] == [2, 0, 0]
    assert summary["class_names"] == ["x", "y", "z"]
    assert summary["samples"] == 4


def test_without_unimodal_logits():
    outputs = {"labels": LABELS, "logits": LOGITS}
    summary = summarize(outputs, ("x", "y", "z"), ("a", "b"))
    assert summary["per_modality"] == {}
    assert summary["modality_confusion"] == {}
    assert list(summary["reliability"]) == ["fused"]
    assert summary["gaps"] == {"score": {}, "representation": {}}
    assert summary["imbalance_ratio"] == {}
    assert "agreement" not in summary


def test_no_agreement_where_a_modality_has_no_logits():
    outputs = {"labels": LABELS, "logits": LOGITS, "unimodal/a": LOGITS}
    for modalities in (("a", "b"), ("a",)):
        summary = summarize(outputs, ("x", "y", "z"), modalities)
        assert list(summary["per_modality"]) == ["a"]
        assert "agreement" not in summary


def test_top_5_above_ten_classes():
    labels = np.arange(11)
    # The score of class c falls with c: classes 0 to 4 are the best five.
    logits = np.tile(-np.arange(11.0), (11, 1))
    outputs = {"labels": labels, "logits": logits}
    summary = summarize(outputs, labels, ())
    assert summary["top5"] == pytest.approx(5 / 11)
    fewer = {"labels": labels[:10], "logits": logits[:10, :10]}
    assert "top5" not in summarize(fewer, labels[:10], ())


def test_features_are_flattened_and_compared_where_they_can():
    outputs = {
        "labels": LABELS,
        "logits": LOGITS,
        "features/a": np.ones((4, 2, 2)),
        "features/b": -np.ones((4, 4)),
        "features/c": np.ones((4, 5)),
    }
    gaps = summarize(outputs, ("x", "y", "z"), ("a", "b", "c"))["gaps"]
    assert gaps == {"score": {}, "representation": {"a|b": 2.0}}


def test_names_that_do_not_match():
    outputs = {"labels": LABELS, "logits": LOGITS}
    with pytest.raises(ValueError, match=r"logits.shape=\(4, 3\), class_names"):
        summarize(outputs, ("x", "y"), ())
