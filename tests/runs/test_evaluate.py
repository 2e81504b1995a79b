"""A run that is evaluated again, whatever has become of its folder."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest

SCRIPT = pathlib.Path(__file__).parent / "evaluating.py"
# What is said of a folder that cannot be evaluated, and what to do.
REFUSED = {
    "no folder": ("Expected a run folder. Received: ", "a run writes OUT/"),
    "no checkpoint": ("without a checkpoint", "copy it from where the run"),
    "half a checkpoint": ("Expected a whole checkpoint", "copy it again"),
    "half a state": ("Expected a whole checkpoint", "copy it again"),
    "a torn history": ("Expected whole JSON", "--resume"),
    "no history": ("Expected a finished run with history.jsonl", "--resume"),
    "one epoch": ("with 1 of 2 epochs", "--resume"),
    "no config": ("Expected a finished run with config.json", "--resume"),
    "no environment": ("run with environment.json", "--resume"),
    "other data": ("checksum 0123456789. Received: checksum ", "--data-dir"),
    "no data": ("data_dir=None, no folder", "--data-dir DIR"),
    "another version": ("without width, with speed=1", "version"),
    "other shapes": ("model variables of this model", "another version"),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)],
        env={**os.environ, "KERAS_BACKEND": keras.config.backend()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "case", ["as it is", "nothing written", "model.keras alone"]
)
def test_the_same_numbers(results, case):
    assert results[case] == {"differences": []}, results[case]


@pytest.mark.parametrize("case", REFUSED)
def test_refused(results, case):
    message, hint = REFUSED[case]
    assert message in results[case]["message"], results[case]
    assert hint in results[case]["hint"], results[case]


def test_a_run_is_analysed(results):
    found = results["analysed"]
    analysis = found["analysis"]
    shown = analysis["masked"]["audio+visual"]
    assert shown == found["test"]["accuracy"]
    assert set(analysis["probes"]) == {"audio", "visual", "concat"}
    assert len(analysis["robustness"]["audio"]["noise"]) == 5
    assert {"fit", "evaluate", "analyse"} <= set(found["seconds"])
