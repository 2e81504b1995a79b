"""Overrides: defaults, variant, demo, what is typed."""

import dataclasses
import types

import pytest

from keras_balance.errors import UsageError
from keras_balance.runs import checks
from keras_balance.runs import plan as plans
from keras_balance.runs import recipe as recipes
from keras_balance.runs.config import RunConfig
from keras_balance.runs.config import setting


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    frames: int = setting(3, "")
    side: int = setting(224, "")


RECIPE = types.SimpleNamespace(
    Config=Config,
    VARIANTS={"paper": {}, "code": {"frames": 1, "side": 100}},
    DEMO={"epochs": 2, "side": 64},
)


def test_defaults():
    config, overrides, arguments = plans.resolve(
        RECIPE, "joint", "paper", False, []
    )
    assert config == Config()
    assert overrides == [] and arguments == {}


def test_what_is_typed_wins():
    config, overrides, _ = plans.resolve(
        RECIPE, "joint", "code", True, ["frames=2", "side=32"], epochs=7
    )
    assert (config.frames, config.side, config.epochs) == (2, 32, 7)
    assert overrides == []


def test_demo_wins_over_the_variant_and_is_listed():
    config, overrides, _ = plans.resolve(RECIPE, "ogm", "code", True, [])
    assert (config.frames, config.side, config.epochs) == (1, 64, 2)
    assert overrides == ["epochs=2", "side=64"]


def test_arguments_of_the_method():
    pairs = ["frames=2", "method.beta_max=2.5", "method.granularity=stage"]
    _, _, arguments = plans.resolve(RECIPE, "mlb", "paper", False, pairs)
    assert arguments == {"beta_max": 2.5, "granularity": "stage"}


def test_a_slug_presets_fields_that_are_not_typed():
    recipe = recipes.load("cremad-ogm")
    given = (recipe, "alternating", "paper", False)
    assert plans.resolve(*given, [])[0].fusion == "sum"
    assert plans.resolve(*given, ["fusion=film"])[0].fusion == "film"


@pytest.mark.parametrize(
    ("variant", "pairs", "message"),
    [
        ("cod", [], "Did you mean 'code'?"),
        ("paper", ["epochs=0"], "Expected epochs >= 1. Received: epochs=0"),
        ("paper", ["batch_size=-1"], "Expected batch_size >= 1."),
        ("paper", ["method.alpha"], "Expected --set method.<name>=value."),
        ("paper", ["frame=1"], "Did you mean 'frames'?"),
    ],
)
def test_refused(variant, pairs, message):
    with pytest.raises(UsageError) as caught:
        plans.resolve(RECIPE, "ogm", variant, False, pairs)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_is_complete(name):
    recipe = recipes.load(name)
    assert set(recipe.VARIANTS) == {"paper", "code"}
    for overrides in (*recipe.VARIANTS.values(), recipe.DEMO):
        recipe.Config(**overrides)
    for function in "settings network arguments optimizer".split():
        assert callable(getattr(recipe, function))
    config = recipe.Config()
    first, last = (recipe.learning_rate(config, e) for e in (0, 99))
    assert first == config.learning_rate
    assert last == pytest.approx(config.learning_rate / 10)
    checks.check_method(recipe.INFO.default_method)


def test_unknown_recipe():
    with pytest.raises(UsageError, match="Did you mean 'cremad-ogm'"):
        recipes.load("cremad_ogm")


def test_modality():
    info = recipes.load("cremad-ogm").INFO
    checks.check_modality(info, "audio", ["unimodal"])
    with pytest.raises(UsageError, match="Did you mean 'audio'"):
        checks.check_modality(info, "adio", ["unimodal"])
    with pytest.raises(UsageError, match="unimodal alone"):
        checks.check_modality(info, "audio", ["unimodal", "joint"])


@dataclasses.dataclass(frozen=True)
class Fused(RunConfig):
    fusion: str = setting("concat", "")


@pytest.mark.parametrize(
    "variant,fusion", [("paper", "sum"), ("code", "shared")]
)
def test_a_slug_presets_by_variant(variant, fusion):
    recipe = types.SimpleNamespace(
        Config=Fused, VARIANTS={"paper": {}, "code": {}}, DEMO={}
    )
    config, _, _ = plans.resolve(recipe, "reconboost", variant, False, [])
    assert config.fusion == fusion
