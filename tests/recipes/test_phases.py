"""A method with teachers, in few epochs: the student is what is reported."""

import csv
import json

import pytest


@pytest.fixture(scope="module")
def run_folder(digits, folder):
    done = digits("--method", "g2d", "--epochs", "4", "--set", "probe_every=0")
    assert done.returncode == 0, done.stderr
    (found,) = (folder / "runs" / "avdigits-ogm").iterdir()
    return found


def test_the_teachers_have_half_the_epochs(run_folder):
    config = json.loads((run_folder / "config.json").read_text())
    assert config["method_used"]["teacher_epochs"] == 2


def test_the_student_is_selected(run_folder):
    with open(run_folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["val_accuracy"]) for row in rows] == [False] * 2 + [
        True
    ] * 2
    assert [row["not_own"] for row in rows] == ["1.0", "1.0", "", ""]
    evaluation = json.loads((run_folder / "evaluation.json").read_text())
    values = [float(row["val_accuracy"]) for row in rows[2:]]
    assert evaluation["selected_epoch"] == 2 + values.index(max(values))


def test_the_report_says_it(run_folder):
    text = (run_folder / "report.html").read_text()
    assert "2 of the 4 epochs train something else" in text


@pytest.mark.parametrize("words", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_a_student_that_never_trains_is_refused(digits, folder, words):
    done = digits(
        "--method",
        "g2d",
        "--epochs",
        "4",
        "--set",
        "method.teacher_epochs=4",
        "--out",
        "refused",
        *words,
    )
    assert done.returncode == 2, done.stderr
    assert "more epochs than the 4 in which g2d trains" in done.stderr
    assert "--epochs 8 or --set method.teacher_epochs=2" in done.stderr
    assert not (folder / "refused").exists()
