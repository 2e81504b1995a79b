"""methods.toml: what holds for which method, fusion, encoder and variant."""

import types

import pytest

from keras_balance.runs.method_settings import all_settings
from keras_balance.runs.method_settings import method_settings

TEXT = """
[ogm]
source = "paper"
learning_rate = 0.1
method.window = [0, [5]]

[ogm.fusion.film]
source = "ours"
learning_rate = 0.2
heads = true

[ogm.fusion.film.variant.code]
source = "code"
learning_rate = 0.3

[mla.encoder.small]
source = "code"
method.rank = 2
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "methods.toml").write_text(TEXT)
    return types.SimpleNamespace(__file__=str(tmp_path / "recipe.py"))


@pytest.mark.parametrize(
    ("method", "values", "found"),
    [
        ("joint", {"fusion": "film"}, {}),
        ("ogm", {}, {"learning_rate": 0.1, "method.window": (0, (5,))}),
        (
            "ogm",
            {"fusion": "film", "variant": "paper"},
            {
                "learning_rate": 0.2,
                "method.window": (0, (5,)),
                "heads": True,
            },
        ),
        (
            "ogm",
            {"fusion": "film", "variant": "code"},
            {
                "learning_rate": 0.3,
                "method.window": (0, (5,)),
                "heads": True,
            },
        ),
        ("mla", {"encoder": "large"}, {}),
        ("mla", {"encoder": "small"}, {"method.rank": 2}),
    ],
)
def test_the_narrower_table_wins(recipe, method, values, found):
    settings = method_settings(recipe, method, values)
    assert {one.name: one.value for one in settings} == found


def test_sources_follow_their_table(recipe):
    found = {
        (where, one.name): one.source for where, one in all_settings(recipe)
    }
    assert found["ogm", "learning_rate"] == "paper"
    assert found["ogm fusion=film", "heads"] == "ours"
    assert found["ogm fusion=film variant=code", "learning_rate"] == "code"
    assert found["mla encoder=small", "method.rank"] == "code"


def test_a_table_without_a_source(recipe, tmp_path):
    (tmp_path / "methods.toml").write_text("[ogm]\nheads = true\n")
    with pytest.raises(ValueError, match="in methods.toml. Received: source=N"):
        method_settings(recipe, "ogm", {})


def test_a_recipe_without_the_file(tmp_path):
    recipe = types.SimpleNamespace(__file__=str(tmp_path / "recipe.py"))
    assert method_settings(recipe, "ogm", {}) == []
