"""A recipe's `methods.toml`: what it sets of a method, and where from.

[ogm-ge]                        every run of the method
source = "code"                 a key of protocols.config.SOURCES
learning_rate = 1e-4            a field of Config
method.alpha = 0.8              an argument of the method

[ogm-ge.fusion.film]            with this fusion, encoder or variant:
source = "ours"                 wins over the above
heads = true
"""

import dataclasses
import pathlib
import tomllib

from keras_balance.protocols.config import SOURCES

METHOD = "method."
CONDITIONS = ("variant", "fusion", "encoder")


@dataclasses.dataclass(frozen=True)
class MethodSetting:
    """One setting that a recipe gives to a method.

    Args:
        name: a field of `Config`, or `method.<argument>`.
        value: as TOML has it, lists as tuples.
        source: a key of `SOURCES`.
    """

    name: str
    value: object
    source: str


def method_settings(recipe, method, values):
    """What a recipe sets of a method.

    Args:
        recipe: the recipe's module; `methods.toml` stands beside its file.
        method: slug.
        values: dict that says which variant, fusion and encoder it is.

    Returns:
        list of `MethodSetting`, one for each name.

    Raises:
        ValueError: a table without a known source.
    """
    found = {}
    for table in _tables(_read(recipe).get(method, {}), values):
        source = table.get("source")
        if source not in SOURCES:
            raise ValueError(
                f"expected source = one of {', '.join(SOURCES)} in every table "
                f"of {method} in methods.toml. Received: source={source!r}"
            )
        for name, value in _flat(table):
            found[name] = MethodSetting(name, value, source)
    return list(found.values())


def all_settings(recipe):
    """Every setting of `methods.toml`, whatever it holds for.

    Returns:
        list of `(where, MethodSetting)`; `where` is the slug, with the
        condition: `"ogm-ge fusion=film"`.
    """
    return [
        (where, MethodSetting(name, value, table["source"]))
        for method, whole in _read(recipe).items()
        for where, table in _places(method, whole)
        for name, value in _flat(table)
    ]


def _places(where, table):
    """A method's table and all below it, by where they hold."""
    yield where, table
    for condition in CONDITIONS:
        for value, below in table.get(condition, {}).items():
            yield from _places(f"{where} {condition}={value}", below)


def _read(recipe):
    path = pathlib.Path(recipe.__file__).with_name("methods.toml")
    if not path.is_file():
        return {}
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _tables(table, values):
    """A method's table, and below it those whose condition holds."""
    if table.keys() - set(CONDITIONS):
        yield table
    for condition in CONDITIONS:
        below = table.get(condition, {}).get(values.get(condition))
        if below is not None:
            yield from _tables(below, values)


def _flat(table):
    for name, value in table.items():
        if name == "method":
            for argument, one in value.items():
                yield METHOD + argument, _tuples(one)
        elif name != "source" and name not in CONDITIONS:
            yield name, _tuples(value)


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
