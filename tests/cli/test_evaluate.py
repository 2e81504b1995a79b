"""`keras-balance evaluate --outputs FILE.npz`: numbers, forms, messages."""

import json
import re

import numpy as np
import pytest

from keras_balance.cli.evaluate import command
from keras_balance.runs.folder import RunFolder

LABELS = np.array([0, 1, 2, 1])
# Right: audio in the rows 0, 1, 3; visual in 0 and 2; the sum in 0, 1 and 2.
AUDIO = np.eye(3)[[0, 1, 0, 1]]
VISUAL = np.array([[2.0, 0, 0], [0.5, 0, 0], [0, 0, 2.0], [0, 0, 3.0]])
PAIR = {"labels": LABELS, "logits/audio": AUDIO, "logits/visual": VISUAL}


@pytest.fixture
def evaluate(keras_balance, tmp_path):
    """Writes arrays to a file and evaluates it."""

    def run(arrays, *words):
        np.savez(tmp_path / "file.npz", **arrays)
        return keras_balance("evaluate", "--outputs", "file.npz", *words)

    return run


def test_tables(evaluate):
    done = evaluate({**PAIR, "clip": np.arange(4)})
    assert done.returncode == 0, done.stderr
    assert done.stderr == "ignored: clip\n"
    lines = [re.findall(r"[^\s│]+", row) for row in done.stdout.split("\n")]
    rows = [row for row in lines if row]
    assert ["fused", "0.7500"] in [row[:2] for row in rows]
    assert ["visual", "0.5000"] in [row[:2] for row in rows]
    assert ["audio", "2", "50.0%", "1", "50.0%"] in rows
    assert ["audio,", "visual", "1.5000"] in [row[:3] for row in rows]
    assert "the sum of the logits of audio, visual" in done.stdout
    # v(none) = 1/4, as zeros name class 0; v: audio 3/4, visual 1/2, sum 3/4.
    assert ["audio", "0.3750"] in [row[:2] for row in rows]
    assert ["visual", "0.1250"] in [row[:2] for row in rows]
    assert "imbalance degree 0.5000" in done.stdout


def test_json(evaluate):
    done = evaluate(PAIR, "--json")
    found = json.loads(done.stdout)
    assert found["file"] == "file.npz"
    assert found["accuracy"] == 0.75
    assert found["samples"] == 4
    assert [p["samples"] for p in found["agreement"]] == [1, 2, 1, 0]
    assert [p["fused_right"] for p in found["agreement"]] == [1, 1, 1, 0]
    assert found["shapley"] == {
        "values": {
            "": 0.25,
            "audio": 0.75,
            "visual": 0.5,
            "audio+visual": 0.75,
        },
        "contribution": {"audio": 0.375, "visual": 0.125},
        "imbalance_degree": 0.5,
    }
    # audio alone right and the sum too: 1.5 and 0.5; and so on by sample.
    assert found["valuation"] == {"audio": 0.875, "visual": 0.625}


def test_what_a_run_writes(evaluate):
    run = {
        "labels": LABELS,
        "logits": AUDIO,
        "unimodal/audio": AUDIO,
        "unimodal/visual": VISUAL,
        "features/audio": np.ones((4, 2)),
        "features/visual": np.ones((4, 2)),
    }
    found = json.loads(evaluate(run, "--json").stdout)
    assert found["fused"] == "as in the file"
    assert found["accuracy"] == 0.75
    assert found["gaps"]["representation"] == {"audio|visual": 0.0}


def test_fused_and_scale(evaluate):
    fused = json.loads(
        evaluate(
            {**PAIR, "logits/fused": 2 * (AUDIO + VISUAL)}, "--json"
        ).stdout
    )
    scaled = json.loads(evaluate({**PAIR, "scale": 2.0}, "--json").stdout)
    assert scaled["nll"] == fused["nll"]
    assert scaled["fused"].startswith("2 x the sum of the logits of audio")


def test_fused_logits_alone(evaluate):
    done = evaluate({"labels": LABELS, "logits": AUDIO})
    assert done.returncode == 0
    assert done.stdout.count("┏") == 1


def test_many_modalities(evaluate):
    names = [f"logits/view {i}" for i in range(5)]
    done = evaluate({"labels": LABELS, **dict.fromkeys(names, AUDIO)})
    assert done.returncode == 0, done.stderr
    # Only the two patterns that occur of the 32.
    assert done.stdout.count("75.0%") == done.stdout.count("25.0%") == 1
    assert done.stdout.count("%") == 4
    assert done.stdout.count("│ view 3, view 4 │") == 1


BAD = {
    "no labels": ({"logits/a": AUDIO}, "with no labels; its arrays are logits"),
    "no logits": (
        {"labels": LABELS, "features/a": AUDIO},
        "with no logits; its arrays are labels, features/a",
    ),
    "nothing": ({}, "with no labels; its arrays are none"),
    "twice": (
        {**PAIR, "unimodal/audio": AUDIO},
        "with the same logits twice",
    ),
    "scale of fused logits": (
        {**PAIR, "logits": AUDIO, "scale": 2.0},
        "with both fused logits and a scale",
    ),
    "several scales": (
        {**PAIR, "scale": np.ones(2)},
        "Expected scale to be one number. Received: file.npz with scale of "
        "dtype float64 and shape (2,)",
    ),
    "negative scale": ({**PAIR, "scale": -1.0}, "with scale=-1.0"),
    "rows": (
        {**PAIR, "logits/audio": AUDIO[:3]},
        "file.npz, unimodal/audio: Expected one integer label a row",
    ),
    "classes": (
        {**PAIR, "logits/audio": np.zeros((4, 5))},
        "logits of as many classes everywhere. Received: file.npz with "
        "{'unimodal/audio': (4, 5), 'unimodal/visual': (4, 3)}",
    ),
    "not finite": (
        {**PAIR, "logits/visual": np.where(AUDIO > 0, np.inf, 0.0)},
        "file.npz, unimodal/visual: Expected finite `scores`",
    ),
    "labels of floats": (
        {**PAIR, "labels": LABELS / 1},
        "Expected integer `labels` (class indices)",
    ),
    "labels that are no class": (
        {**PAIR, "labels": LABELS + 1},
        "Received: labels[2]=3 (1 such labels)",
    ),
    "features": (
        {**PAIR, "features/audio": np.ones((3, 2))},
        "Expected features/audio of shape (4, dim), a row for each label. "
        "Received: file.npz with shape (3, 2)",
    ),
    "features that are not finite": (
        {**PAIR, "features/audio": np.full((4, 2), np.nan)},
        "Expected features/audio of finite numbers. Received: file.npz with "
        "dtype float64, NaN",
    ),
    "objects": (
        {**PAIR, "labels": np.array([{}, 1, 2, 3])},
        "Expected a .npz file of named arrays. Received: file.npz (Object arr",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refused_file(evaluate, case):
    arrays, message = BAD[case]
    done = evaluate(arrays)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert message in re.sub(r"\s+", " ", done.stderr)
    assert "Traceback" not in done.stderr


def _whole(tmp_path):
    np.savez(tmp_path / "whole.npz", **PAIR)
    return (tmp_path / "whole.npz").read_bytes()


NOT_NPZ = {
    "missing": (None, "Expected an existing file. Received: file.npz"),
    "text": (lambda folder: b"labels,logits\n", "Received: file.npz ("),
    "empty": (lambda folder: b"", "Received: file.npz ("),
    "cut off": (lambda folder: _whole(folder)[:-40], "Received: file.npz ("),
    "one array": (
        lambda folder: (np.save(folder / "a.npy", LABELS), folder / "a.npy")[
            1
        ].read_bytes(),
        "Received: file.npz (one array without a name)",
    ),
}


@pytest.mark.parametrize("case", NOT_NPZ)
def test_not_a_file_of_arrays(keras_balance, tmp_path, case):
    content, message = NOT_NPZ[case]
    if content:
        (tmp_path / "file.npz").write_bytes(content(tmp_path))
    done = keras_balance("evaluate", "--outputs", "file.npz")
    assert done.returncode == 2, done.stderr
    assert message in re.sub(r"\s+", " ", done.stderr)


def test_either_a_run_or_a_file(keras_balance):
    neither = keras_balance("evaluate")
    both = keras_balance("evaluate", "runs", "--outputs", "file.npz")
    data = keras_balance("evaluate", "--outputs", "f.npz", "--data-dir", ".")
    assert neither.returncode == both.returncode == data.returncode == 2
    assert "Received: neither" in neither.stderr
    assert "with a run folder alone. Received: --outputs f.npz" in data.stderr
    assert both.stderr.endswith("Next: keras-balance evaluate --help\n")


def test_no_run_folder(keras_balance):
    done = keras_balance("evaluate", "nowhere")
    assert done.returncode == 2, done.stderr
    assert "nowhere" in done.stderr
    assert done.stdout == ""


def test_a_run_is_evaluated_where_its_data_are(tmp_path, capsys, monkeypatch):
    scores = {"accuracy": 0.75, "macro_f1": 0.5, "map": 0.625}
    test = {"test": {**scores, "per_modality": {}}}
    folder = RunFolder(tmp_path, "digits", "joint", "paper", "torch", 0)
    folder.path.mkdir(parents=True)
    (folder.path / "evaluation.json").write_text(json.dumps(test))
    folder.report.write_text("drawn")
    called = []

    def evaluate_run(path, screen, *places):
        called.append((path, *places))
        return folder

    monkeypatch.setattr(
        "keras_balance.runs.evaluate.evaluate_run", evaluate_run
    )
    command.main(["here", "--data-dir", "data"], standalone_mode=False)
    command.main(["here", "--json"], standalone_mode=False)
    assert called == [("here", "data", None), ("here", None, None)]
    table, _, document = capsys.readouterr().out.partition("{")
    assert "0.7500" in table and "report.html" in table
    assert json.loads("{" + document)["test"] == test["test"]
