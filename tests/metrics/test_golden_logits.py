"""Real logits of a published model, with figures computed independently.

704 CREMA-D test clips; the accuracy of the sum is the one the authors wrote
into the name of their checkpoint (0.8110795454545454).
"""

import os
from pathlib import Path

import numpy as np
import pytest

from keras_balance import metrics
from keras_balance.evaluation.summary import summarize

CLASSES = ["NEU", "HAP", "SAD", "FEA", "DIS", "ANG"]
# accuracy, macro-F1, mAP
EXPECTED = {
    "audio": (0.600852, 0.602744, 0.656247),
    "visual": (0.730114, 0.730480, 0.811522),
    "sum": (0.811080, 0.814067, 0.884284),
    "boosted sum": (0.811080, 0.814067, 0.883686),
    "mean logit": (0.811080, 0.814067, 0.886322),
    "mean probability": (0.771307, 0.773491, 0.856507),
}


@pytest.fixture(scope="module")
def stored():
    folder = os.environ.get("KERAS_BALANCE_TEST_DATA")
    path = Path(folder or "") / "cremad_reconboost_logits" / "logits.npz"
    if not folder or not path.is_file():
        pytest.skip(f"needs KERAS_BALANCE_TEST_DATA with {path.parts[-2:]}")
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _probabilities(stored, name):
    audio, visual = stored["audio"], stored["visual"]
    if name == "mean probability":
        return (metrics.softmax(audio) + metrics.softmax(visual)) / 2
    rate = float(stored["boost_rate"])
    logits = {
        "audio": audio,
        "visual": visual,
        "sum": audio + visual,
        "boosted sum": rate * (audio + visual),
        "mean logit": (audio + visual) / 2,
    }
    return metrics.softmax(logits[name])


@pytest.mark.parametrize("name", EXPECTED)
def test_figures(stored, name):
    scores = _probabilities(stored, name)
    found = (
        metrics.accuracy(stored["label"], scores),
        metrics.macro_f1(stored["label"], scores),
        metrics.mean_average_precision(stored["label"], scores),
    )
    assert found == pytest.approx(EXPECTED[name], abs=5e-7)


def test_summary_of_the_sum(stored):
    outputs = {
        "labels": stored["label"],
        "logits": stored["audio"] + stored["visual"],
        "unimodal/audio": stored["audio"],
        "unimodal/visual": stored["visual"],
    }
    summary = summarize(outputs, CLASSES, ("audio", "visual"))
    assert summary["accuracy"] == 0.8110795454545454
    assert summary["samples"] == np.sum(summary["confusion"]) == 704
    for name in ("audio", "visual"):
        assert tuple(summary["per_modality"][name].values()) == pytest.approx(
            EXPECTED[name], abs=5e-7
        )
