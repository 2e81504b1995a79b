"""A run that breaks off: what is said, and what stays."""

import errno

import pytest

from keras_balance.errors import UsageError
from keras_balance.runs import train
from keras_balance.runs.folder import RunFolder


class _Plan:
    def __init__(self, path):
        self.path = path

    def folder(self):
        return RunFolder.at(self.path)

    def document(self):
        return {}


def _broken(monkeypatch, error):
    def run(plan, folder, screen, argv):
        folder.start({})
        raise error

    monkeypatch.setattr(train, "_run", run)


def test_a_full_disk_is_no_failure_of_the_run(tmp_path, monkeypatch):
    _broken(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    plan = _Plan(tmp_path / "run")
    with pytest.raises(UsageError, match=f"room.*{plan.path}") as caught:
        train.run(plan, False, None)
    assert "--resume" in caught.value.hint
    assert not plan.folder().error_log.exists()
    assert not plan.folder().lock.exists()
    plan.folder().check({}, resume=True)


def test_a_failure_has_a_log_and_frees_the_folder(tmp_path, monkeypatch):
    _broken(monkeypatch, RuntimeError("boom"))
    plan = _Plan(tmp_path / "run")
    with pytest.raises(train.RunFailed, match="RuntimeError: boom"):
        train.run(plan, False, None)
    assert "boom" in plan.folder().error_log.read_text()
    assert not plan.folder().lock.exists()
