import subprocess
import sys

import pytest

from keras_balance import data

LIGHT = """
import sys
from keras_balance import data
for name in data.names():
    module = data.get(name)
    for word in ("TITLE", "CLASSES", "LICENCE", "SIZE", "LAYOUT"):
        assert getattr(module, word), word
    assert module.NAME == name
heavy = {"keras", "tensorflow", "jax", "torch", "rich"} & set(sys.modules)
assert not heavy, heavy
"""


def test_data_sets_are_light_to_import():
    subprocess.run(
        [sys.executable, "-c", LIGHT],
        env={"PYTHONPATH": ":".join(sys.path)},
        check=True,
    )


def test_every_data_set_has_the_same_functions():
    for name in data.names():
        module = data.get(name)
        for function in ("prepare", "split", "doctor", "fetch", "write_demo"):
            assert callable(getattr(module, function)), (name, function)
        assert module.Settings().reader == "pyav"


def test_unknown_name_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'cremad'"):
        data.get("crema-d")
    with pytest.raises(ValueError, match="one of cremad, avdigits"):
        data.get("zzz")


def test_the_cache_is_the_users():
    assert "keras-balance" in data.default_cache_dir()


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        data.Nothing  # noqa: B018
