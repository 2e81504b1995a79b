"""The recipes: found by listing the folders of `keras_balance.recipes`."""

import dataclasses
import importlib
import importlib.util
import pathlib

from keras_balance.errors import UsageError
from keras_balance.runs.config import unknown


@dataclasses.dataclass(frozen=True)
class Info:
    """What a recipe says of itself without importing Keras.

    Args:
        title: one line.
        paper: authors, title, venue.
        dataset: name of the module in `keras_balance.data`.
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


def folder():
    """The folder that holds the recipes."""
    package = importlib.util.find_spec("keras_balance.recipes")
    if package is None:
        raise UsageError(
            "Expected the package keras_balance.recipes, found none.",
            "pip install --editable . (a bare checkout is not installed)",
        )
    return pathlib.Path(package.submodule_search_locations[0])


def names():
    """Names of the recipes: `cremad-ogm` for the folder `cremad_ogm`."""
    files = folder().glob("*/recipe.py")
    return sorted(file.parent.name.replace("_", "-") for file in files)


def load(name):
    """The module `recipe.py` of a recipe; Keras is not imported.

    Raises:
        UsageError: no recipe has this name.
    """
    if name not in names():
        raise unknown("recipe", name, names(), "keras-balance recipes")
    package = name.replace("-", "_")
    return importlib.import_module(f"keras_balance.recipes.{package}.recipe")
