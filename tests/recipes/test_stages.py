"""Teachers that are runs of their own, trained before the student."""

import json

import numpy as np
import pytest

WORDS = ("--method", "umt", "--epochs", "1", "--set", "probe_every=0")


@pytest.fixture(scope="module")
def run_folder(digits, folder):
    done = digits(*WORDS)
    assert done.returncode == 0, done.stderr
    (found,) = (folder / "runs" / "avdigits-ogm").iterdir()
    return found


def stage(run_folder, name):
    (found,) = run_folder.glob(f"stages/avdigits-ogm/unimodal-{name}*")
    return found


def arrays(path):
    with np.load(path) as file:
        return [file[name] for name in sorted(file.files)]


def test_every_epoch_is_the_students(run_folder):
    config = json.loads((run_folder / "config.json").read_text())
    assert "teacher_epochs" not in config["method_used"]
    evaluation = json.loads((run_folder / "evaluation.json").read_text())
    assert evaluation["selected_epoch"] == 0
    for name in ("audio", "visual"):
        path = stage(run_folder, name).relative_to(run_folder)
        (said,) = [n for n in evaluation["notes"] if f"before it: {name}" in n]
        assert said.endswith(f"{path}.")


def test_the_teachers_are_the_trained_encoders(run_folder):
    student = arrays(run_folder / "checkpoints" / "best.npz")
    for name in ("audio", "visual"):
        trained = arrays(stage(run_folder, name) / "checkpoints" / "best.npz")
        # Its kernels and biases; the last two are the head's.
        for array in trained[:-2]:
            assert any(
                a.shape == array.shape and (a == array).all() for a in student
            )


def test_other_runs_in_their_place_give_the_same_bytes(
    digits, folder, run_folder
):
    given = []
    for name in ("audio", "visual"):
        given += ["--stage", f"{name}={stage(run_folder, name)}"]
    done = digits(*WORDS, *given, "--out", "again")
    assert done.returncode == 0, done.stderr
    (again,) = (folder / "again" / "avdigits-ogm").iterdir()
    assert not (again / "stages").exists()
    for one, other in zip(
        arrays(run_folder / "checkpoints" / "best.npz"),
        arrays(again / "checkpoints" / "best.npz"),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_folder_with_stages_alone_is_continued_by_resume(
    digits, folder, run_folder
):
    left = folder / "killed" / "avdigits-ogm" / run_folder.name / "stages"
    left.parent.mkdir(parents=True)
    (run_folder / "stages").rename(left)
    done = digits(*WORDS, "--out", "killed")
    assert done.returncode == 2 and "add --resume" in done.stderr
    done = digits(*WORDS, "--out", "killed", "--resume")
    assert done.returncode == 0, done.stderr
    for name in ("audio", "visual"):
        assert f"stage {name}:" not in done.stderr + done.stdout
    for one, other in zip(
        arrays(run_folder / "checkpoints" / "best.npz"),
        arrays(left.parent / "checkpoints" / "best.npz"),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
