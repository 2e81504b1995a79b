"""Names from catalogues and calls: what is refused."""

import importlib.metadata

import pytest

from keras_balance import fusions
from keras_balance import methods
from keras_balance.registry import Registry


class Own:
    """What a test registers."""


@pytest.fixture
def registry(monkeypatch):
    """A registry of fusions that forgets what a test adds."""

    def make(*values):
        points = [
            importlib.metadata.EntryPoint("stranger", value, "group")
            for value in values
        ]
        monkeypatch.setattr(
            importlib.metadata, "entry_points", lambda group: points
        )
        return Registry("fusion", "keras_balance.fusions")

    return make


def test_a_registered_class_is_found_by_its_name(registry):
    own = registry()
    own.register("own", Own, why="test")
    assert own.names()[-1] == "own"
    assert own.get("own").load() is Own
    assert own.get("own").facts == {"why": "test"}


def test_a_name_that_is_taken_is_refused(registry):
    with pytest.raises(ValueError, match="'concat' of .*keras_balance.fusions"):
        registry().register("concat", Own)


def test_two_packages_with_one_name_are_refused(registry):
    place = "keras_balance.fusions:catalogue.toml"
    with pytest.raises(ValueError, match="Received: 'concat'"):
        registry(place).names()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("no_such_package:methods.toml", "no_such_package, which is not"),
        ("keras_balance.fusions:none.toml", "fusions:none.toml .FileNotFound"),
        ("keras_balance.fusions:sum.py", "fusions:sum.py .TOMLDecodeError"),
    ],
)
def test_a_catalogue_that_cannot_be_read(registry, place, message):
    with pytest.raises(ValueError, match=message):
        registry(place).names()


def test_a_table_without_a_class_is_refused(registry, monkeypatch, tmp_path):
    (tmp_path / "catalogue.toml").write_text('[own]\nmodule = "own"\n')
    monkeypatch.setattr("keras_balance.registry._folder", lambda _: tmp_path)
    with pytest.raises(ValueError, match="KeyError: 'function'"):
        registry().names()
    whole = Registry("recipe", "keras_balance.recipes", modules=True)
    assert whole.names() == ["own"]


def test_the_nearest_name_is_offered(registry):
    with pytest.raises(ValueError, match="fusion='Concatt'. Did you mean 'con"):
        registry().get("Concatt")


def test_a_method_says_what_the_listing_needs():
    with pytest.raises(TypeError, match="wrong"):
        methods.register(
            "own", Own, summary="", family="loss", cost="", wrong=1
        )
    assert "own" not in methods.names()


def test_every_name_leads_to_a_class():
    assert all(fusions._FUSIONS.get(name).load() for name in fusions.names())
