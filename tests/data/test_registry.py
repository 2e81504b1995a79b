import subprocess
import sys

import pytest

from keras_balance import data
from keras_balance.registry import Registry

LISTED = """
import sys
from keras_balance import data
for name in data.names():
    facts = data.facts(name)
    assert facts.title and facts.licence and facts.size, facts
    assert facts.layout.startswith("DATA_DIR/\\n"), facts
heavy = {"numpy", "keras"} & set(sys.modules)
heavy |= {m for m in sys.modules if m.startswith("keras_balance.data.")}
assert not heavy, heavy
"""
LOADED = """
import sys
from keras_balance import data
for name in data.names():
    data.get(name)
heavy = {"keras", "tensorflow", "jax", "torch", "rich"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("code", [LISTED, LOADED])
def test_data_sets_are_light_to_list_and_to_load(code):
    subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        check=True,
    )


@pytest.mark.parametrize("name", data.names())
def test_a_set_has_its_facts_from_the_catalogue(name):
    dataset = data.get(name)
    assert isinstance(dataset, data.DataSet)
    for key in ("name", "title", "licence", "size", "layout"):
        assert getattr(dataset, key) == getattr(data.facts(name), key)
    assert len(dataset.classes) == len(set(dataset.classes)) > 1
    settings = dataset.Settings()
    assert settings.reader == "pyav"
    assert set(dataset.inputs(settings)) == {"audio", "visual"}


def test_unknown_name_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'cremad'"):
        data.get("crema-d")
    with pytest.raises(ValueError, match="one of cremad, avdigits"):
        data.facts("zzz")


def test_registering(monkeypatch, tones):
    fresh = Registry("data set", data.__name__)
    monkeypatch.setattr(data, "_DATASETS", fresh)
    facts = {"title": "T", "licence": "L", "size": "S", "layout": "DATA_DIR/"}
    data.register("tones", type(tones), **facts)
    assert data.names()[-1] == "tones"
    assert data.facts("tones").title == "T"
    with pytest.raises(ValueError, match="'cremad' of tones, which"):
        data.register("cremad", type(tones), **facts)


def test_the_cache_is_the_users():
    assert "keras-balance" in data.default_cache_dir()


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        data.Nothing  # noqa: B018
