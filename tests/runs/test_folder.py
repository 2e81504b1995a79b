"""The run folder: in use, continued, and atomic files."""

import os

import pytest

from keras_balance.errors import UsageError
from keras_balance.runs import folder as folders

CONFIG = {"epochs": 3, "window": (0, 5)}


@pytest.fixture
def run(tmp_path):
    return folders.RunFolder(tmp_path, "digits", "ogm", "paper", "jax", 1)


def test_name(run, tmp_path):
    assert run.path == tmp_path / "digits" / "ogm-paper-jax-seed1"


def test_a_used_folder_needs_resume(run):
    run.check(CONFIG, resume=False)
    run.start(CONFIG)
    with pytest.raises(UsageError, match="Expected an empty run folder") as e:
        run.check(CONFIG, resume=False)
    assert e.value.hint.startswith("add --resume")
    run.check(CONFIG, resume=True)


def test_resume_with_another_configuration(run):
    run.start({**CONFIG, "argv": ["a"]})
    run.check(CONFIG, resume=True)
    with pytest.raises(UsageError) as caught:
        run.check({**CONFIG, "epochs": 4}, resume=True)
    assert "epochs=4 (started with 3)" in caught.value.message


def test_resume_on_other_data(run):
    run.start(CONFIG)
    run.check_data("abc")
    folders.write_json(run.environment, {"data_checksum": "abc"})
    run.check_data("abc")
    with pytest.raises(UsageError, match="checksum abc. Received"):
        run.check_data("abd")


def test_a_failure_before_the_start_does_not_block(run):
    run.path.mkdir(parents=True)
    run.error_log.write_text("Traceback")
    run.check(CONFIG, resume=False)
    run.start(CONFIG)
    assert not run.error_log.exists()


def test_replacing_keeps_the_old_file_on_an_error(tmp_path):
    path = tmp_path / "a.txt"
    folders.write_text(path, "old")
    with pytest.raises(RuntimeError), folders.replacing(path) as part:
        part.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old"


def test_replacing_is_whole_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    seen = []
    replace = os.replace

    def observe(source, target):
        seen.append((path.exists(), source.read_text()))
        replace(source, target)

    monkeypatch.setattr(os, "replace", observe)
    folders.write_text(path, "whole\n")
    assert seen == [(False, "whole\n")]
    assert path.read_text() == "whole\n"
    assert os.listdir(tmp_path) == ["a.txt"]
