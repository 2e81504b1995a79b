"""What comes before a run: which trainings, where, and what may replace one."""

import dataclasses
import json

import pytest

from keras_balance.errors import UsageError
from keras_balance.runs import plan as plans
from keras_balance.runs import recipe as recipes
from keras_balance.runs import stages
from keras_balance.runs.documents import FORMAT

RECIPE = recipes.load("avdigits-ogm")


def plan(method="umt", pairs=(), given=(), epochs=None, out="runs"):
    options = {
        **dict.fromkeys(("data_dir", "cache_dir")),
        "variant": "paper",
        "backend": "jax",
        "seed": 3,
        "demo": True,
        "out": out,
        "on_error": "fail",
        "epochs": epochs,
        "stages": given,
    }
    return plans.make("avdigits-ogm", method, list(pairs), options)


def test_a_stage_is_a_run_of_the_same_settings():
    own = stages.own_plans(RECIPE, plan(pairs=["width=4"], epochs=2))
    assert list(own) == ["audio", "visual"]
    audio = own["audio"]
    assert audio.label == "unimodal-audio" and audio.seed == 3
    assert (audio.config.width, audio.config.epochs) == (4, 2)
    where = plan(pairs=["width=4"], epochs=2).folder().path / "stages"
    assert audio.folder().path.parent == where / "avdigits-ogm"
    # What is typed for it gives the same plan.
    assert audio.changes() == ["epochs=2", "width=4"]


@pytest.mark.parametrize("fusion", ["film", "gated"])
def test_a_stage_has_a_linear_head_whatever_the_fusion(fusion):
    pairs = [f"fusion={fusion}", "heads=true"]
    for one in stages.own_plans(RECIPE, plan(pairs=pairs)).values():
        assert one.config.fusion == "concat" and not one.config.heads


def test_other_methods_have_none():
    assert stages.own_plans(RECIPE, plan("ogm-ge")) == {}


def test_an_argument_that_the_stages_replace_has_no_effect():
    (said,) = plan(pairs=["method.teacher_epochs=2"]).without_effect()
    assert said == (
        "method.teacher_epochs=2 has no effect: audio, visual are trained "
        "before."
    )


def finished(folder, **changes):
    folder.mkdir(parents=True)
    made = plan("unimodal", ["modality=audio"])
    document = {**made.document(), "format": FORMAT, **changes}
    (folder / "config.json").write_text(json.dumps(document))
    (folder / "evaluation.json").write_text("{}")
    return folder


def test_a_run_in_its_place(tmp_path):
    run = finished(tmp_path / "mine")
    replaced = plan(given=[f"audio={run}"])
    stages.check(RECIPE, replaced)
    assert list(stages.own_plans(RECIPE, replaced)) == ["visual"]
    assert stages.folders(RECIPE, replaced)["audio"].path == run
    assert "+stage.audio=mine-" in replaced.folder().path.name
    assert replaced.document()["stages"] == {"audio": str(run)}


@pytest.mark.parametrize(
    ("method", "name", "changes", "message"),
    [
        ("umt", "audo", {}, "Did you mean 'audio'?"),
        ("ogm-ge", "audio", {}, "nothing is trained before ogm-ge"),
        (
            "umt",
            "visual",
            {},
            "Expected a run of unimodal-visual of avdigits-ogm for the stage "
            "visual. Received: unimodal-audio of avdigits-ogm",
        ),
        ("umt", "audio", {"recipe": "cremad-ogm"}, "of cremad-ogm in"),
    ],
)
def test_a_run_that_cannot_take_it(tmp_path, method, name, changes, message):
    run = finished(tmp_path / "mine", **changes)
    with pytest.raises(UsageError) as caught:
        stages.check(RECIPE, plan(method, given=[f"{name}={run}"]))
    assert message in str(caught.value)


def test_a_run_that_is_not_complete(tmp_path):
    with pytest.raises(UsageError, match="Expected a complete run for the"):
        stages.check(RECIPE, plan(given=[f"audio={tmp_path / 'none'}"]))


@pytest.mark.parametrize("text", ["audio", "=x", "audio="])
def test_a_text_that_names_no_run(text):
    with pytest.raises(UsageError, match="Expected --stage NAME=RUN"):
        stages.parse([text])


def test_gifts_are_encoders_by_modality():
    class Model:
        def __init__(self, name):
            self.encoders = {name: f"encoder of {name}"}

    found = stages.gifts(RECIPE, plan(), Model)
    assert found == {
        "teachers": {
            "audio": "encoder of audio",
            "visual": "encoder of visual",
        }
    }


def test_a_recipe_without_stages():
    bare = dataclasses.make_dataclass("Bare", [])
    assert stages.stages(bare, "umt") == {}
