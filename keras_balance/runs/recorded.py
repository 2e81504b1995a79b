"""A run read back from its folder: to repeat it, or to evaluate it again."""

import pathlib

from keras_balance.errors import UsageError
from keras_balance.runs import plan as plans
from keras_balance.runs import recipe as recipes
from keras_balance.runs.checks import check_method
from keras_balance.runs.config import flatten
from keras_balance.runs.config import from_json
from keras_balance.runs.documents import read_config


def recorded_plan(folder, **changes):
    """The plan of a run, resolved as it was.

    Args:
        folder: path of the run folder; config.json is enough.
        **changes: fields of `Plan` to be others, such as `out`; None leaves
            what was recorded.

    Returns:
        A `Plan`. Its `out` is the folder that holds the run, where the run
        folder has the name that a run gives it.

    Raises:
        UsageError: there is no whole config.json, or it is of a version with
            other recipes, methods or settings.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UsageError(
            f"Expected a run folder. Received: {folder}",
            "a run writes OUT/<recipe>/<method>-<variant>-<backend>-seed<k>",
        )
    document = read_config(folder)
    recipe = recipes.load(document["recipe"])
    config = from_json(recipe.Config, document["config"])
    method = document["method"].removesuffix(f"-{config.modality}")
    check_method(method)
    found = {
        "recipe": document["recipe"],
        "method": method,
        "variant": document["variant"],
        "backend": document["backend"],
        "seed": document["seed"],
        "demo": document["demo"],
        "config": config,
        "overrides": document.get("demo_overrides", []),
        "method_arguments": {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in document.get("method_arguments", {}).items()
        },
        "data_dir": document.get("data_dir"),
        "cache_dir": document.get("cache_dir"),
        "out": str(folder.resolve().parent.parent),
        "on_error": document["on_error"],
        "stages": document.get("stages", {}),
    }
    given = {k: v for k, v in changes.items() if v is not None}
    return plans.Plan(**{**found, **given})


def differences(before, now):
    """What differs between the environments of two runs.

    Args:
        before: dict of environment.json.
        now: dict of the same kind.

    Returns:
        List of `(name, before, now)`, None where one lacks it.
    """
    first, second = dict(flatten(before)), dict(flatten(now))
    return [
        (name, first.get(name), second.get(name))
        for name in dict.fromkeys([*first, *second])
        if first.get(name) != second.get(name)
    ]
