"""The numbers that papers printed, from recipes/published.json."""

import json

from keras_balance.runs.recipe import folder


def published(recipe, method=None):
    """Published rows of a recipe.

    Args:
        recipe: name of the recipe.
        method: slug, or None for every method.

    Returns:
        list of dicts with `recipe`, `method`, `setting`, `metric`, `value`,
        `unit`, `protocol`, `source` and `tolerance`.
    """
    text = (folder() / "published.json").read_text(encoding="utf-8")
    return [
        row
        for row in json.loads(text)["rows"]
        if row["recipe"] == recipe and method in (None, row["method"])
    ]
