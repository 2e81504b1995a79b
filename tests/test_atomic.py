"""Files that are whole or not there."""

import errno
import os

import pytest

from keras_balance import atomic
from keras_balance.errors import UsageError


def test_replacing_keeps_the_old_file_on_an_error(tmp_path):
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")
    with pytest.raises(RuntimeError), atomic.replacing(path) as part:
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
    atomic.write_text(path, "whole\n")
    assert seen == [(False, "whole\n")]
    assert path.read_text() == "whole\n"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EFBIG"])
def test_a_full_disk_keeps_the_old_file_and_says_where(tmp_path, name):
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")
    code = getattr(errno, name)
    with pytest.raises(UsageError) as caught, atomic.replacing(path) as part:
        part.write_text("ne")
        raise OSError(code, os.strerror(code))
    assert f"Received: {tmp_path}, where nothing more" in caught.value.message
    assert "--resume" in caught.value.hint
    assert path.read_text() == "old"
    # What was written of the new one would take the room that is needed.
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_found_behind_another_error(tmp_path):
    with pytest.raises(UsageError, match="room on the disk"):
        with atomic.room(tmp_path):
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            except OSError as error:
                raise RuntimeError("the writer failed") from error
    with pytest.raises(UsageError, match="room on the disk"):
        with atomic.room(tmp_path):
            # As HDF5 has it.
            raise OSError("write failed (No space left on device)")
    with pytest.raises(PermissionError), atomic.room(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")
