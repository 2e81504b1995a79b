"""One run: its files, its exit codes, and what stdout holds."""

import csv
import json
import re

import numpy as np
import pytest

FILES = (
    "config.json",
    "environment.json",
    "history.csv",
    "history.jsonl",
    "state.npz",
    "checkpoints/best.npz",
    "model.keras",
    "outputs.npz",
    "evaluation.json",
    "report.html",
)


@pytest.fixture(scope="module")
def done(digits):
    return digits("--epochs", "2", "--seed", "5", "--json")


@pytest.fixture(scope="module")
def run_folder(done, folder):
    assert done.returncode == 0, done.stderr
    (found,) = (folder / "runs" / "avdigits-ogm").iterdir()
    return found


def test_files(run_folder):
    for name in FILES:
        assert (run_folder / name).stat().st_size > 0, name
    assert not list(run_folder.rglob(".part-*"))


def test_stdout_is_json(done, run_folder):
    document = json.loads(done.stdout)
    assert document["report"] == str(run_folder / "report.html")
    assert 0 <= document["test"]["accuracy"] <= 1
    assert document["published"] == []
    assert document["test"]["samples"] == 12


def test_evaluation_says_what_was_done(run_folder):
    document = json.loads((run_folder / "evaluation.json").read_text())
    notes = " ".join(document["notes"])
    assert "highest accuracy on the validation part" in document["selection"]
    assert "Generated demonstration data" in notes
    assert "70/10/20 by index" in notes
    rows = (run_folder / "history.jsonl").read_text().splitlines()
    values = [json.loads(row)["val_accuracy"] for row in rows]
    assert document["selected_epoch"] == int(np.argmax(values))


def test_history(run_folder):
    lines = (run_folder / "history.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["epoch"] for row in rows] == [0, 1]
    for name in ("audio_score", "visual_coefficient", "val_loss"):
        assert name in rows[0]
    with open(run_folder / "history.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert float(table[1]["loss"]) == rows[1]["loss"]


def test_configuration(run_folder):
    config = json.loads((run_folder / "config.json").read_text())
    assert config["config"]["epochs"] == 2
    assert config["config"]["width"] == 2
    assert config["demo_overrides"] == ["decay_epoch=4"]
    assert config["changes"] == [
        "epochs=2",
        "batch_size=16",
        "width=2",
        "blocks=1",
        "seconds=0.25",
        "samples=60",
    ]
    assert config["method_used"] == {"variant": "paper", "alpha": 0.8}
    assert config["argv"][:2] == ["recipe", "avdigits-ogm"]


def test_the_folder_is_named_by_what_was_changed(run_folder):
    # In full the name would have over 80 characters.
    name = r"ogm-ge\+[0-9a-f]{8}-paper-(torch|jax|tensorflow)-seed5"
    assert re.fullmatch(name, run_folder.name)


def test_a_finished_run_is_left_alone(digits, run_folder):
    before = (run_folder / "report.html").stat().st_mtime_ns
    again = digits("--epochs", "2", "--seed", "5", "--resume")
    assert again.returncode == 0
    assert "already complete" in again.stderr
    assert "report: " in again.stdout
    assert (run_folder / "report.html").stat().st_mtime_ns == before


def test_no_resume(digits, run_folder):
    again = digits("--epochs", "2", "--seed", "5")
    assert again.returncode == 2
    assert "Expected an empty run folder" in again.stderr


def test_resume_with_other_options(digits, run_folder):
    words = ["--epochs", "2", "--seed", "5", "--resume"]
    again = digits(*words, "--on-error", "skip")
    assert again.returncode == 2
    assert (
        "was started with. Received: on_error=skip (started with fail)"
        in again.stderr
    )


def test_broken_run(digits, folder):
    words = ["--epochs", "1", "--seed", "6", "--set", "learning_rate=1e38"]
    done = digits(*words, "--resume")
    assert done.returncode == 1
    assert "nothing to continue in runs/avdigits-ogm/ogm-ge+" in done.stderr
    assert done.stdout == ""
    assert "Error: The run failed: " in done.stderr
    assert "Traceback" not in done.stderr
    (log,) = folder.rglob("error.log")
    assert log.read_text().startswith("Traceback")
    assert str(log.relative_to(folder)) in done.stderr


def test_fusion_without_unimodal_logits(digits):
    done = digits("--seed", "8", "--set", "fusion=film")
    assert done.returncode == 2
    assert "Pass heads=True" in done.stderr


def test_argument_that_the_method_lacks(digits):
    done = digits("--seed", "7", "--set", "method.alhpa=1")
    assert done.returncode == 2
    assert "Did you mean 'alpha'?" in done.stderr
