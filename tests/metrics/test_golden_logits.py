"""Real logits of a published model, with figures computed independently.

704 CREMA-D test clips; the accuracy of the sum is the one the authors wrote
into the name of their checkpoint (0.8110795454545454).
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from keras_balance import metrics
from keras_balance.cli import evaluate
from keras_balance.evaluation.summary import summarize

CLASSES = ["NEU", "HAP", "SAD", "FEA", "DIS", "ANG"]
# accuracy, macro-F1, mAP, micro mAP, ECE of 10 and of 15 bins, NLL
EXPECTED = {
    "audio": (
        *(0.600852, 0.602744, 0.656247, 0.648681),
        *(0.245506, 0.245506, 1.553516),
    ),
    "visual": (
        *(0.730114, 0.730480, 0.811522, 0.821185),
        *(0.094225, 0.095992, 0.779780),
    ),
    "sum": (
        *(0.811080, 0.814067, 0.884284, 0.883669),
        *(0.118918, 0.118851, 0.766216),
    ),
    "boosted sum": (
        *(0.811080, 0.814067, 0.883686, 0.883098),
        *(0.131248, 0.133167, 0.924319),
    ),
    "mean logit": (
        *(0.811080, 0.814067, 0.886322, 0.885594),
        *(0.038221, 0.046707, 0.550048),
    ),
    "mean probability": (
        *(0.771307, 0.773491, 0.856507, 0.854691),
        *(0.117573, 0.101269, 0.684771),
    ),
}
KEYS = ("accuracy", "macro_f1", "map", "map_micro", "ece10", "ece", "nll")
MODALITIES = ("audio", "visual")
# all right, audio alone, visual alone, none; and the sum right in each
AGREEMENT = [(321, 321), (102, 88), (193, 151), (88, 11)]
SHAPLEY = {"audio": 0.262074, "visual": 0.391335}
ON_ZEROS = 0.157670
SCORE_GAP = 0.387164
VALUATION = {"audio": 0.746449, "visual": 0.875710}
# samples by -0.5, 0, 0.5, 1 and 1.5
VALUES = {
    "audio": [42, 77, 165, 332, 88],
    "visual": [14, 77, 130, 332, 151],
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


@pytest.fixture
def unimodal(stored):
    return {name: stored[name] for name in MODALITIES}


@pytest.mark.parametrize("name", EXPECTED)
def test_figures(stored, name):
    labels, scores = stored["label"], _probabilities(stored, name)
    found = (
        metrics.accuracy(labels, scores),
        metrics.macro_f1(labels, scores),
        metrics.mean_average_precision(labels, scores),
        metrics.mean_average_precision(labels, scores, average="micro"),
        metrics.expected_calibration_error(labels, scores, bins=10),
        metrics.expected_calibration_error(labels, scores),
        metrics.negative_log_likelihood(labels, scores),
    )
    assert found == pytest.approx(EXPECTED[name], abs=6e-7)


def test_mean_class_accuracy_of_the_sum(stored):
    scores = _probabilities(stored, "sum")
    assert metrics.mean_class_accuracy(
        stored["label"], scores
    ) == pytest.approx(0.813784, abs=5e-7)


def test_agreement_with_the_sum(stored, unimodal):
    found = metrics.agreement(
        stored["label"], _probabilities(stored, "sum"), unimodal
    )
    names = [["audio", "visual"], ["audio"], ["visual"], []]
    assert [pattern["right"] for pattern in found] == names
    counts = [(p["samples"], p["fused_right"]) for p in found]
    assert counts == AGREEMENT


def test_contribution_to_the_sum(stored, unimodal):
    values, phi = metrics.shapley_from_logits(stored["label"], unimodal)
    assert values[()] == pytest.approx(ON_ZEROS, abs=5e-7)
    assert values[MODALITIES] == 0.8110795454545454
    assert phi == pytest.approx(SHAPLEY, abs=5e-7)


def test_gap_and_sums_of_the_scores(stored, unimodal):
    labels = stored["label"]
    assert metrics.score_gap(labels, **_pair(unimodal)) == pytest.approx(
        SCORE_GAP, abs=5e-7
    )
    sums = {
        name: metrics.softmax(own)[np.arange(704), labels].sum()
        for name, own in unimodal.items()
    }
    assert sums == pytest.approx(
        {"audio": 408.284, "visual": 481.752}, abs=5e-4
    )
    assert sums["visual"] / sums["audio"] == pytest.approx(1.179942, abs=5e-7)


def _pair(unimodal):
    return {"first": unimodal["audio"], "second": unimodal["visual"]}


def test_value_of_each_sample(stored, unimodal):
    scores = {(name,): own for name, own in unimodal.items()}
    scores[MODALITIES] = unimodal["audio"] + unimodal["visual"]
    found = metrics.sample_valuation(stored["label"], scores)
    means = {name: own.mean() for name, own in found.items()}
    assert means == pytest.approx(VALUATION, abs=5e-7)
    for name, own in found.items():
        levels, counts = np.unique(own, return_counts=True)
        assert levels.tolist() == [-0.5, 0, 0.5, 1, 1.5]
        assert counts.tolist() == VALUES[name]


def test_summary_of_the_sum(stored, unimodal):
    outputs = {
        "labels": stored["label"],
        "logits": stored["audio"] + stored["visual"],
        **{f"unimodal/{name}": own for name, own in unimodal.items()},
    }
    summary = summarize(outputs, CLASSES, MODALITIES)
    assert summary["accuracy"] == 0.8110795454545454
    assert summary["samples"] == np.sum(summary["confusion"]) == 704
    rows = {"sum": summary, **summary["per_modality"]}
    for name, row in rows.items():
        assert [row[key] for key in KEYS] == pytest.approx(
            EXPECTED[name], abs=6e-7
        )
    counts = [(p["samples"], p["fused_right"]) for p in summary["agreement"]]
    assert counts == AGREEMENT
    assert summary["gaps"]["score"] == pytest.approx(
        {"audio|visual": SCORE_GAP}, abs=5e-7
    )
    # 423 and 514 of 704 samples.
    assert summary["imbalance_ratio"]["audio"]["visual"] == pytest.approx(
        423 / 514
    )


FUSIONS = {
    "sum": lambda a, v, rate: {},
    "boosted sum": lambda a, v, rate: {"scale": rate},
    "mean logit": lambda a, v, rate: {"scale": 0.5},
    "mean probability": lambda a, v, rate: {
        "logits/fused": np.log(metrics.softmax(a) + metrics.softmax(v))
    },
}


@pytest.mark.parametrize("name", FUSIONS)
def test_command_line(stored, unimodal, tmp_path, capsys, name):
    fusion = FUSIONS[name](*unimodal.values(), stored["boost_rate"])
    file = tmp_path / "logits.npz"
    own = {f"logits/{key}": value for key, value in unimodal.items()}
    np.savez(file, labels=stored["label"], **own, **fusion)
    evaluate.command(["--outputs", str(file), "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    for key, row in {name: found, **found["per_modality"]}.items():
        assert [row[k] for k in KEYS] == pytest.approx(EXPECTED[key], abs=6e-7)
    shapley = found["shapley"]
    assert shapley["values"][""] == pytest.approx(ON_ZEROS, abs=5e-7)
    assert shapley["contribution"] == pytest.approx(SHAPLEY, abs=5e-7)
    assert found["valuation"] == pytest.approx(VALUATION, abs=5e-7)
    assert found["gaps"]["score"]["audio|visual"] == pytest.approx(
        SCORE_GAP, abs=5e-7
    )
    if name != "mean probability":
        counts = [(p["samples"], p["fused_right"]) for p in found["agreement"]]
        assert counts == AGREEMENT
        assert found["mean_class_accuracy"] == pytest.approx(0.813784, abs=5e-7)
