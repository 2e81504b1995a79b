"""The run folder: in use, continued, and on which data."""

import re

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


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        (["epochs=3"], "ogm+epochs=3-paper-jax-seed1"),
        (["window=0,5", "a=none"], "ogm+window=0,5+a=none-paper-jax-seed1"),
        (["method.rate=a:0.5"], "ogm+method.rate=a=0.5-paper-jax-seed1"),
        (["path=a/../b c"], "ogm+path=a=..=b=c-paper-jax-seed1"),
    ],
)
def test_name_tells_settings_apart(tmp_path, changes, name):
    given = ("digits", "ogm", "paper", "jax", 1, changes)
    assert folders.RunFolder(tmp_path, *given).path.name == name


def test_a_long_name_is_a_hash_that_tells_settings_apart(tmp_path):
    names = [
        folders.RunFolder(
            tmp_path, "digits", "ogm", "paper", "jax", 1, [f"a={'x' * 70}{end}"]
        ).path.name
        for end in "12"
    ]
    assert all(re.fullmatch(r"ogm\+\w{8}-paper-jax-seed1", n) for n in names)
    assert names[0] != names[1]


def test_a_damaged_config_is_refused_with_what_helps(run):
    run.start(CONFIG)
    run.config.write_text("{")
    with pytest.raises(UsageError, match="Expected whole JSON") as caught:
        run.check(CONFIG, resume=True)
    assert caught.value.hint.startswith("delete config.json and evaluation")
    run.config.unlink()
    (run.path / "state.npz").touch()
    run.check(CONFIG, resume=True)


def test_a_folder_of_another_version(run):
    run.start(CONFIG)
    run.config.write_text('{"epochs": 3}')
    with pytest.raises(UsageError, match="format 2. Received: .*, format 1"):
        run.check(CONFIG, resume=True)


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
