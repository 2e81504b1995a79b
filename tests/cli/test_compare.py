"""`keras-balance compare`, on folders as a run leaves them."""

import json
import shutil

import pytest

from keras_balance.runs.documents import FORMAT


@pytest.fixture
def run_folder(tmp_path):
    """Writes the least that a finished run folder has."""

    def write(method, seed, accuracy, folder="runs/avdigits-ogm"):
        path = tmp_path / folder / f"{method}-paper-jax-seed{seed}"
        path.mkdir(parents=True)
        right = round(100 * accuracy)
        scores = {"accuracy": accuracy, "macro_f1": accuracy, "map": accuracy}
        files = {
            "config.json": {
                "format": FORMAT,
                "recipe": "avdigits-ogm",
                "method": method,
                "variant": "paper",
                "backend": "jax",
                "seed": seed,
                "demo": False,
                "config": {"epochs": 1},
                "changes": [],
                "on_error": "fail",
            },
            "environment.json": {"data_checksum": "ab", "versions": {}},
            "evaluation.json": {
                "test": {
                    **scores,
                    "per_modality": {"audio": scores},
                    "confusion": [[right, 100 - right], [0, 20]],
                    "class_names": ["a", "b"],
                    "samples": 120,
                },
                "seconds": {"fit": 10.0 if method == "joint" else 25.0},
            },
            "history.jsonl": {"epoch": 0},
        }
        for name, content in files.items():
            (path / name).write_text(json.dumps(content) + "\n")
        return path

    return write


@pytest.fixture
def runs(run_folder):
    accuracies = {"joint": (0.5, 0.52, 0.51), "pmr": (0.56, 0.57, 0.58)}
    return [
        run_folder(method, seed, accuracy)
        for method, own in accuracies.items()
        for seed, accuracy in enumerate(own)
    ]


def test_a_parent_folder(keras_balance, runs, tmp_path):
    done = keras_balance("compare", "runs")
    assert done.returncode == 0, done.stderr
    # By hand: differences 6, 5, 7; mean 6, deviation 1, t(2) at 0.975 4.3027.
    assert "+6.00" in done.stdout
    assert "[+3.52, +8.48]" in done.stdout
    assert "2.50×" in done.stdout
    for ending in ("html", "json", "csv", "md", "tex"):
        assert (tmp_path / f"runs/comparison.{ending}").is_file()


def test_run_folders_and_out(keras_balance, runs, tmp_path):
    done = keras_balance("compare", *runs, "--out", "new/one", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["groups"][0]["rows"][1]["seeds"] == [0, 1, 2]
    path = tmp_path / "new/one/comparison.json"
    assert json.loads(path.read_text()) == document


def test_files_go_where_the_runs_are(keras_balance, runs, tmp_path):
    assert keras_balance("compare", runs[0], runs[3]).returncode == 0
    assert (tmp_path / "runs/avdigits-ogm/comparison.html").is_file()


def test_a_run_named_twice_over_counts_once(keras_balance, runs):
    done = keras_balance("compare", runs[0], "runs", "--json")
    (group,) = json.loads(done.stdout)["groups"]
    assert sum(len(row["runs"]) for row in group["rows"]) == 6


def test_an_unfinished_run_in_a_parent_is_left_out(keras_balance, runs):
    (runs[0] / "evaluation.json").unlink()
    done = keras_balance("compare", "runs", "--json")
    assert done.returncode == 0
    assert f"left out, not finished: {'/'.join(runs[0].parts[-3:])}" in (
        done.stderr
    )
    (group,) = json.loads(done.stdout)["groups"]
    assert group["rows"][0]["seeds"] == [1, 2]


def test_no_run_is_finished(keras_balance, runs):
    for run in runs:
        (run / "evaluation.json").unlink()
    done = keras_balance("compare", "runs")
    assert done.returncode == 2
    assert "Expected a finished run. Received: 6" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("evaluation.json", None, "Expected a finished run with evaluation"),
        ("evaluation.json", "{", "Expected whole JSON"),
        ("evaluation.json", '{"test": {}}', "in its test part of"),
        ("config.json", '{"format": 2}', "Expected recipe, method"),
        ("history.jsonl", "", "Expected an epoch or more"),
    ],
)
def test_a_run_that_is_not_whole(keras_balance, runs, name, content, message):
    if content is None:
        (runs[0] / name).unlink()
    else:
        (runs[0] / name).write_text(content)
    done = keras_balance("compare", runs[0])
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_run_is_left_out_of_the_others(keras_balance, runs):
    (runs[0] / "config.json").write_text("{")
    done = keras_balance("compare", "runs", "--json")
    assert done.returncode == 1
    assert "left out, broken: " in done.stderr
    assert "Expected whole JSON" in done.stderr
    (group,) = json.loads(done.stdout)["groups"]
    assert group["rows"][0]["seeds"] == [1, 2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing argument"),
        (["nowhere"], "nowhere, no such folder"),
        (["."], "a folder without one"),
    ],
)
def test_bad_use(keras_balance, words, message):
    done = keras_balance("compare", *words)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_same_run_copied(keras_balance, runs, tmp_path):
    shutil.copytree(runs[0], tmp_path / "copy")
    done = keras_balance("compare", runs[0], "copy")
    assert done.returncode == 2
    assert "both of seed 0" in done.stderr
