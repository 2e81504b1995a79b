"""Overrides: defaults, variant, demo, what is typed."""

import dataclasses
import types

import pytest

from keras_balance.errors import UsageError
from keras_balance.protocols.config import SOURCES
from keras_balance.protocols.config import RunConfig
from keras_balance.protocols.config import setting
from keras_balance.runs import checks
from keras_balance.runs import plan as plans
from keras_balance.runs import recipe as recipes
from keras_balance.runs.method import parameters
from keras_balance.runs.method_settings import all_settings


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    frames: int = setting(3, "", source="ours")
    side: int = setting(224, "", source="ours")


RECIPE = types.SimpleNamespace(
    Config=Config,
    VARIANTS={"paper": {}, "code": {"frames": 1, "side": 100}},
    DEMO={"epochs": 2, "side": 64},
    __file__=__file__,
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
    pairs = ["frames=2", "method.beta_max=2.5", "method.apply_to=update"]
    _, _, arguments = plans.resolve(RECIPE, "mlb", "paper", False, pairs)
    assert arguments == {"beta_max": 2.5, "apply_to": "update"}


def test_a_slug_presets_fields_that_are_not_typed():
    recipe = recipes.load("cremad-ogm")
    given = (recipe, "alternating", "paper", False)
    assert plans.resolve(*given, [])[0].fusion == "sum"
    assert plans.resolve(*given, ["fusion=film"])[0].fusion == "film"


def test_heads_are_no_change_where_a_method_cannot_do_without():
    options = dict.fromkeys(
        ("data_dir", "cache_dir", "out", "on_error", "epochs")
    )
    options |= {"variant": "paper", "backend": "jax", "seed": 0, "demo": True}
    plan = plans.make("cremad-ogm", "mmpareto", ["heads=true"], options)
    assert plan.config.heads and plan.changes() == []
    plan = plans.make("cremad-ogm", "joint", ["heads=true"], options)
    assert plan.changes() == ["heads=true"]


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
    for function in "settings network optimizer".split():
        assert callable(getattr(recipe, function))
    config = recipe.Config()
    first, last = (recipe.learning_rate(config, e) for e in (0, 99))
    assert first == config.learning_rate
    assert last == pytest.approx(config.learning_rate / 10)
    checks.check_method(recipes.info(name).default_method)


def test_a_recipe_sets_arguments_of_a_method():
    recipe = recipes.load("cremad-ogm")
    given = (recipe, "ogm-ge", "paper", False)
    _, _, arguments = plans.resolve(*given, [])
    assert arguments == {"alpha": 0.8, "window": (0, 50)}
    _, _, arguments = plans.resolve(*given, ["method.alpha=0.1"])
    assert arguments == {"alpha": 0.1, "window": (0, 50)}
    assert plans.resolve(recipe, "joint", "paper", False, [])[2] == {}
    assert plans.resolve(*given, ["fusion=film"])[0].heads
    assert not plans.resolve(*given, ["fusion=film", "heads=false"])[0].heads


def make_plan(pairs, method="ogm-ge", demo=False, variant="paper", epochs=None):
    recipe = recipes.load("cremad-ogm")
    config, overrides, arguments = plans.resolve(
        recipe, method, variant, demo, pairs, epochs
    )
    return plans.Plan(
        recipe="cremad-ogm",
        method=method,
        variant=variant,
        backend="jax",
        seed=0,
        demo=demo,
        config=config,
        overrides=overrides,
        method_arguments=arguments,
        data_dir=None,
        cache_dir=None,
        out="runs",
        on_error="fail",
    )


@pytest.mark.parametrize(
    ("pairs", "changes"),
    [
        ([], []),
        (["epochs=100", "method.alpha=0.8"], []),
        (["method.alpha=0.5", "frames=1"], ["frames=1", "method.alpha=0.5"]),
        # What the recipe sets for a fusion goes without saying.
        (["fusion=film"], ["fusion=film"]),
        (["fusion=film", "heads=false"], ["fusion=film", "heads=false"]),
    ],
)
def test_changes_are_what_is_not_the_recipes_own(pairs, changes):
    plan = make_plan(pairs)
    assert sorted(plan.changes()) == sorted(changes)
    again = make_plan(plan.changes())
    assert again.document() == plan.document()


def test_changes_of_a_demo_and_of_a_variant():
    assert make_plan([], demo=True).changes() == []
    assert make_plan([], demo=True, epochs=1).changes() == ["epochs=1"]
    assert make_plan([], variant="code").changes() == []
    assert make_plan(["frames=3"], variant="code").changes() == ["frames=3"]


@pytest.mark.parametrize("name", recipes.names())
def test_every_setting_of_a_method_is_one(name):
    recipe = recipes.load(name)
    fields = {field.name for field in dataclasses.fields(recipe.Config)}
    for where, one in all_settings(recipe):
        slug = where.split()[0]
        checks.check_method(slug)
        assert one.source in SOURCES
        argument = one.name.removeprefix("method.")
        known = fields if argument == one.name else parameters(slug)
        assert argument in known


def test_unknown_recipe():
    with pytest.raises(UsageError, match="Did you mean 'cremad-ogm'"):
        recipes.load("cremad_ogm")


def test_modality():
    info = recipes.info("cremad-ogm")
    checks.check_modality(info, "audio", ["unimodal"])
    with pytest.raises(UsageError, match="Did you mean 'audio'"):
        checks.check_modality(info, "adio", ["unimodal"])
    with pytest.raises(UsageError, match="unimodal alone"):
        checks.check_modality(info, "audio", ["unimodal", "joint"])


@dataclasses.dataclass(frozen=True)
class Fused(RunConfig):
    fusion: str = setting("concat", "", source="ours")


@pytest.mark.parametrize(
    "variant,fusion", [("paper", "sum"), ("code", "shared")]
)
def test_a_slug_presets_by_variant(variant, fusion):
    recipe = types.SimpleNamespace(
        Config=Fused,
        VARIANTS={"paper": {}, "code": {}},
        DEMO={},
        __file__=__file__,
    )
    config, _, _ = plans.resolve(recipe, "reconboost", variant, False, [])
    assert config.fusion == fusion
