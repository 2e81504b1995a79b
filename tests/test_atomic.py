"""Files that are whole or not there."""

import os

import pytest

from keras_balance import atomic


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
