"""The choice of the backend: option, variable, keras.json, installed."""

import json

import pytest

from keras_balance.errors import UsageError
from keras_balance.runs import backend


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Sets what is installed, KERAS_BACKEND and keras.json."""

    def describe(installed, variable=None, configured=None):
        monkeypatch.setattr(backend, "installed", lambda: list(installed))
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
        if variable:
            monkeypatch.setenv("KERAS_BACKEND", variable)
        if configured:
            document = json.dumps({"backend": configured})
            (tmp_path / "keras.json").write_text(document)

    return describe


def test_option_wins(machine):
    machine(["tensorflow", "jax", "torch"], "jax", "tensorflow")
    assert backend.choose("torch") == ("torch", "chosen by --backend")


def test_variable_is_next(machine):
    machine(["tensorflow", "jax"], "jax", "tensorflow")
    assert backend.choose() == ("jax", "chosen by KERAS_BACKEND")


def test_keras_json_is_next(machine):
    machine(["tensorflow", "torch"], None, "torch")
    assert backend.choose() == ("torch", "chosen by keras.json")


def test_keras_json_without_its_backend(machine):
    # Keras's first import writes tensorflow there, whatever is installed.
    machine(["jax", "torch"], None, "tensorflow")
    assert backend.choose() == ("jax", "the first one installed")


def test_broken_keras_json(machine, tmp_path):
    machine(["torch"])
    (tmp_path / "keras.json").write_text("{")
    assert backend.choose() == ("torch", "the first one installed")


def test_not_installed(machine):
    machine(["jax"])
    with pytest.raises(UsageError) as caught:
        backend.choose("torch")
    assert "Received: --backend=torch" in caught.value.message
    assert caught.value.hint == 'pip install "keras-balance[torch]"'


def test_unknown_variable(machine):
    machine(["jax"], "jaxx")
    with pytest.raises(UsageError, match="Did you mean 'jax'"):
        backend.choose()


def test_none_installed(machine):
    machine([])
    with pytest.raises(UsageError, match="found none"):
        backend.choose()
