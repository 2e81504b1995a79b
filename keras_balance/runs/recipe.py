"""The recipes by name: what the catalogue says, and their `recipe.py`."""

import dataclasses
import importlib

from keras_balance.errors import UsageError
from keras_balance.registry import Registry
from keras_balance.runs.config import unknown

_RECIPES = Registry("recipe", "keras_balance.recipes", modules=True)


@dataclasses.dataclass(frozen=True)
class Info:
    """What is known of a recipe without importing its module.

    Args:
        title: one line.
        paper: authors, title, venue.
        dataset: name of a data set.
        size: of the data set, in words.
        modalities: names, in the model's order.
        default_method: slug used without `--method`.
        needs: hardware and time of the full recipe.
    """

    title: str
    paper: str
    dataset: str
    size: str
    modalities: tuple
    default_method: str
    needs: str


def names():
    """Names of the recipes, in the order of the catalogues.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        return _RECIPES.names()
    except ValueError as error:
        raise UsageError(
            str(error),
            "pip install --editable . (a bare checkout is not installed)",
        ) from error


def info(name):
    """The `Info` of a recipe.

    Raises:
        UsageError: no recipe has this name.
    """
    facts = _entry(name).facts
    return Info(**{**facts, "modalities": tuple(facts["modalities"])})


def folder(name):
    """`pathlib.Path` of the folder with `recipe.py` and the files beside it.

    Raises:
        UsageError: no recipe has this name.
    """
    return _entry(name).folder


def load(name):
    """The module `recipe.py` of a recipe; Keras is not imported.

    Raises:
        UsageError: no recipe has this name.
    """
    return importlib.import_module(_entry(name).module)


def register(name, module, **facts):
    """Adds a recipe of another package to this process.

    Commands that start processes of their own know it only by an entry point
    (`keras_balance.registry`).

    Args:
        name: the new name.
        module: dotted name of its `recipe.py`.
        **facts: the fields of `Info`.

    Raises:
        ValueError: the name is taken.
        TypeError: `facts` are not those of `Info`.
    """
    Info(**facts)
    _RECIPES.register(name, importlib.import_module(module), **facts)


def _entry(name):
    if name not in names():
        raise unknown("recipe", name, names(), "keras-balance recipes")
    return _RECIPES.get(name)
