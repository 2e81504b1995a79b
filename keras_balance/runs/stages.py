"""The trainings that come before a run, by the recipe's `STAGES`."""

import dataclasses
import pathlib

from keras_balance.errors import UsageError
from keras_balance.runs.config import unknown
from keras_balance.runs.documents import read_config
from keras_balance.runs.folder import RunFolder
from keras_balance.runs.method_settings import METHOD
from keras_balance.runs.method_settings import method_settings

FOLDER = "stages"


def stages(recipe, method):
    """Dict from name to `Stage` of what comes before a method."""
    found = getattr(recipe, "STAGES", {})
    return {name: one for name, one in found.items() if method in one.of}


def parse(pairs):
    """Dict from a stage's name to a path, from the texts of `--stage`.

    Raises:
        UsageError: a text is not `NAME=RUN`.
    """
    found = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise UsageError(
                f"Expected --stage NAME=RUN. Received: --stage {pair}"
            )
        found[name] = str(pathlib.Path(path).resolve())
    return found


def check(recipe, plan):
    """Refuse runs that cannot stand in for a stage; without Keras.

    Args:
        recipe: the recipe's module.
        plan: `Plan`.

    Raises:
        UsageError: no stage of the method has that name, or the run is not
            complete, or one of another recipe, method or modality.
    """
    known = stages(recipe, plan.method)
    for name, path in plan.stages.items():
        if name not in known:
            if not known:
                raise UsageError(
                    f"Expected no --stage: nothing is trained before "
                    f"{plan.method}. Received: --stage {name}={path}"
                )
            raise unknown(f"stage of {plan.method}", name, list(known))
        _check_run(plan, name, known[name], pathlib.Path(path))


def _check_run(plan, name, stage, path):
    folder = RunFolder.at(path)
    if not folder.complete:
        raise UsageError(
            f"Expected a complete run for the stage {name}. Received: {path}",
            "run it to its end with --resume, or leave out --stage",
        )
    found = read_config(path)
    modality = stage.settings.get("modality", "")
    label = f"{stage.method}-{modality}" if modality else stage.method
    if (found["recipe"], found["method"]) != (plan.recipe, label):
        raise UsageError(
            f"Expected a run of {label} of {plan.recipe} for the stage {name}. "
            f"Received: {found['method']} of {found['recipe']} in {path}"
        )


def own_plans(recipe, plan):
    """The stages that a run trains itself.

    Args:
        recipe: the recipe's module.
        plan: `Plan`.

    Returns:
        dict from name to the `Plan` of that training; its folder is below
        `stages/` of the run's folder.
    """
    return {
        name: plan_of(recipe, plan, name)
        for name in stages(recipe, plan.method)
        if name not in plan.stages
    }


def plan_of(recipe, plan, name):
    """The `Plan` of one stage."""
    stage = stages(recipe, plan.method)[name]
    changed = stage.settings
    values = {"variant": plan.variant, **dataclasses.asdict(plan.config)}
    own = method_settings(recipe, stage.method, values | changed)
    arguments = {
        one.name.removeprefix(METHOD): one.value
        for one in own
        if one.name.startswith(METHOD)
    }
    return dataclasses.replace(
        plan,
        method=stage.method,
        config=dataclasses.replace(plan.config, **changed),
        method_arguments=arguments,
        out=str(plan.folder().path / FOLDER),
        stages={},
    )


def folders(recipe, plan):
    """Dict from the name of a stage to the `RunFolder` that it comes from."""
    own = own_plans(recipe, plan)
    return {
        name: own[name].folder()
        if name in own
        else RunFolder.at(plan.stages[name])
        for name in stages(recipe, plan.method)
    }


def gifts(recipe, plan, model_of):
    """What a method gets of the stages before it.

    Args:
        recipe: the recipe's module.
        plan: `Plan`.
        model_of: callable that returns the model of a stage, by its name.

    Returns:
        dict from an argument of the method to encoders by modality.
    """
    found = {}
    for name, stage in stages(recipe, plan.method).items():
        found.setdefault(stage.gives, {}).update(model_of(name).encoders)
    return found


def without_effect(recipe, plan):
    """Typed arguments that mean nothing beside the stages, in sentences."""
    return [
        f"{METHOD}{name}={plan.method_arguments[name]} has no effect: "
        f"{', '.join(before)} are trained before."
        for name, before in instead_of(recipe, plan.method).items()
        if name in plan.method_arguments
    ]


def instead_of(recipe, method):
    """Dict from an argument that means nothing to the stages' names."""
    found = {}
    for name, stage in stages(recipe, method).items():
        if stage.instead_of:
            found.setdefault(stage.instead_of, []).append(name)
    return found
