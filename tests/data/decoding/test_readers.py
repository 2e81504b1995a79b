import builtins

import pytest

from keras_balance import data as datasets
from keras_balance.data.decoding import media
from keras_balance.data.decoding import readers
from keras_balance.data.decoding import tensorflow_io
from keras_balance.errors import UsageError

cremad = datasets.get("cremad")


@pytest.fixture
def no_tensorflow_io(monkeypatch):
    original = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name.startswith("tensorflow"):
            raise ImportError(name)
        return original(name, *arguments, **keywords)

    tensorflow_io.check_available.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    yield
    tensorflow_io.check_available.cache_clear()


def test_the_default_reader_is_pyav():
    assert readers.get("pyav") is media


def test_unknown_reader_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'pyav'"):
        readers.get("pyva")


def test_one_error_says_which_versions_load(no_tensorflow_io, demo, tmp_path):
    settings = cremad.Settings(reader="tensorflow-io")
    with pytest.raises(UsageError) as caught:
        cremad.prepare(demo, tmp_path, settings)
    assert "TensorFlow 2.16.x with tensorflow-io 0.37.1" in caught.value.message
    assert 'reader="pyav"' in caught.value.hint
    assert list(tmp_path.iterdir()) == []  # before any work
