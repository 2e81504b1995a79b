"""`recipe --from RUN`: a run again, from its folder alone."""

import json
import pathlib
import subprocess
import sys

import pytest

from keras_balance.errors import UsageError
from keras_balance.runs.recorded import differences
from keras_balance.runs.recorded import recorded_plan

COMMAND = pathlib.Path(sys.executable).with_name("keras-balance")


@pytest.fixture(scope="module")
def run_folder(digits, folder):
    words = ["--method", "unimodal", "--set", "modality=audio"]
    done = digits(*words, "--epochs", "1", "--seed", "3")
    assert done.returncode == 0, done.stderr
    (found,) = (folder / "runs" / "avdigits-ogm").iterdir()
    return found


def _repeat(folder, *words):
    return subprocess.run(
        [str(COMMAND), "recipe", "--from", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_same_numbers(run_folder, folder):
    done = _repeat(folder, run_folder)
    assert done.returncode == 0, done.stderr
    assert "the environment is the recorded one" in done.stderr
    assert "the same numbers as before" in done.stdout
    (again,) = (folder / "runs-repeated" / "avdigits-ogm").iterdir()
    assert again.name == run_folder.name
    for name in ("config.json", "history.jsonl", "environment.json"):
        assert (again / name).read_text() == (run_folder / name).read_text()


def test_what_differs_in_the_environment_is_said(run_folder, folder, tmp_path):
    changed = tmp_path / "run"
    changed.mkdir()
    for name in ("config.json", "environment.json"):
        (changed / name).write_text((run_folder / name).read_text())
    path = changed / "environment.json"
    document = json.loads(path.read_text())
    document["versions"]["keras"] = "3.0.0"
    path.write_text(json.dumps(document))
    # A broken setting ends it before anything is trained.
    config = json.loads((changed / "config.json").read_text())
    config["config"]["fusion"] = "nothing"
    (changed / "config.json").write_text(json.dumps(config))
    done = _repeat(folder, changed, "--out", "elsewhere")
    assert done.returncode == 2
    assert "differs: versions.keras 3.0.0, now " in done.stderr
    assert "Traceback" not in done.stderr


def test_its_own_folder_is_refused(run_folder, folder):
    done = _repeat(folder, run_folder, "--out", "runs")
    assert done.returncode == 2
    assert "Expected another folder than the run's own" in done.stderr


def test_the_plan_is_the_recorded_one(run_folder):
    plan = recorded_plan(run_folder)
    assert (plan.method, plan.config.modality) == ("unimodal", "audio")
    assert plan.seed == 3 and plan.demo
    assert plan.folder().path == run_folder
    assert recorded_plan(run_folder, backend="torch").backend == "torch"


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda c: c["config"].pop("epochs"), "without epochs"),
        (lambda c: c["config"].update(gone=1), "with gone=1"),
        (lambda c: c.update(method="nothing"), "method='nothing'"),
        (lambda c: c.update(recipe="nothing"), "recipe='nothing'"),
        (lambda c: c.pop("seed"), "Expected seed"),
    ],
)
def test_another_version(run_folder, tmp_path, change, message):
    config = json.loads((run_folder / "config.json").read_text())
    change(config)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=message):
        recorded_plan(tmp_path)


def test_differences_name_what_only_one_has():
    before = {"python": "3.11", "versions": {"jax": "0.4", "keras": "3.15"}}
    now = {"python": "3.12", "versions": {"keras": "3.15", "torch": "2.1"}}
    assert differences(before, now) == [
        ("python", "3.11", "3.12"),
        ("versions.jax", "0.4", None),
        ("versions.torch", None, "2.1"),
    ]
