"""The run folder: in use, continued, and on which data."""

import pytest

from keras_balance import atomic
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
    atomic.write_json(run.environment, {"data_checksum": "abc"})
    run.check_data("abc")
    with pytest.raises(UsageError, match="checksum abc. Received"):
        run.check_data("abd")


def test_a_failure_before_the_start_does_not_block(run):
    run.path.mkdir(parents=True)
    run.error_log.write_text("Traceback")
    run.check(CONFIG, resume=False)
    run.start(CONFIG)
    assert not run.error_log.exists()
