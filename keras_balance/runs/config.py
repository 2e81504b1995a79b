"""`--set key=value`: a recipe's typed configuration as text, and back."""

import dataclasses
import difflib
import math
import types
import typing

from keras_balance.errors import UsageError


def unknown(kind, name, known, hint=None, others=()):
    """The `UsageError` for a name that is not known: it names the nearest.

    Args:
        kind: what was named.
        name: text that was received.
        known: iterable of what is expected.
        hint: the next command to type, or None.
        others: iterable of further names that may be meant.
    """
    known = sorted(known)
    near = nearest(name, [*known, *others])
    guess = f" Did you mean {near!r}?" if near else ""
    return UsageError(
        f"Expected {kind} to be one of: {', '.join(known)}. "
        f"Received: {kind}={name!r}.{guess}",
        hint,
    )


def nearest(name, known):
    """The name that is most like another, or None.

    Case, "-" for "_" and a "method." before one of them make no difference.
    """
    plain = {}
    for one in known:
        plain.setdefault(_plain(one), one)
    found = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.5)
    return plain[found[0]] if found else None


def _plain(name):
    return name.lower().replace("-", "_").removeprefix("method.")


def parse_settings(config_class, pairs, others=()):
    """`key=value` texts as a dict of typed values.

    Args:
        config_class: a dataclass.
        pairs: iterable of texts.
        others: names that are set otherwise, for whom one of them is meant.

    Returns:
        dict of field name to value.

    Raises:
        UsageError: no "=", a key that is no field, or a value of another type
            or out of the field's range.
    """
    hints = typing.get_type_hints(config_class)
    fields = {f.name: f for f in dataclasses.fields(config_class)}
    values = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(
                f"Expected --set key=value. Received: --set {pair}"
            )
        if key not in fields:
            raise unknown("--set key", key, fields, others=others)
        value = _parse(text, hints[key], key)
        choices = fields[key].metadata.get("choices")
        if choices and value not in choices:
            raise unknown(key, str(value), choices)
        _check_range(key, value, text, fields[key].metadata)
        values[key] = value
    return values


def _check_range(key, value, text, allowed):
    """Refuse a number that is not finite, or out of the field's range."""
    least, most = allowed.get("least"), allowed.get("most")
    for one in value if isinstance(value, tuple) else (value,):
        if isinstance(one, bool) or not isinstance(one, int | float):
            continue
        if not math.isfinite(one):
            raise UsageError(f"Expected a finite {key}. Received: {key}={text}")
        if least is not None and one < least:
            raise UsageError(
                f"Expected {key} >= {least}. Received: {key}={text}"
            )
        if most is not None and one > most:
            raise UsageError(
                f"Expected {key} <= {most}. Received: {key}={text}"
            )


def from_json(config_class, values):
    """A configuration as config.json holds it: tuples became lists there.

    Args:
        config_class: a dataclass.
        values: dict of every field.

    Returns:
        A `config_class`.

    Raises:
        UsageError: a field is missing, or is none of this version's.
    """
    known = {field.name for field in dataclasses.fields(config_class)}
    missing, foreign = sorted(known - set(values)), sorted(set(values) - known)
    if missing or foreign:
        texts = [f"without {name}" for name in missing]
        texts += [f"with {name}={values[name]!r}" for name in foreign]
        raise UsageError(
            "Expected the settings that this version's recipe has. Received: "
            f"config.json {', '.join(texts)}",
            "run it with the version in environment.json, or type the recipe "
            "with --set again",
        )
    return config_class(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
    )


def type_name(hint):
    """A type as `--help` shows it: `int`, `float or none`, `int,int`."""
    if isinstance(hint, types.UnionType):
        parts = [type_name(part) for part in typing.get_args(hint)]
        return " or ".join(parts)
    if typing.get_origin(hint) is tuple:
        return ",".join(type_name(part) for part in typing.get_args(hint))
    return "none" if hint is type(None) else hint.__name__


def _parse(text, hint, key):
    try:
        return _convert(text.strip(), hint)
    except ValueError:
        raise UsageError(
            f"Expected {key} of type {type_name(hint)}. Received: {key}={text}"
        ) from None


def _convert(text, hint):
    """`text` as a value of the type `hint`; ValueError where it is none."""
    if isinstance(hint, types.UnionType):
        if text.lower() == "none":
            return None
        (hint,) = (t for t in typing.get_args(hint) if t is not type(None))
    if typing.get_origin(hint) is tuple:
        parts = text.split(",")
        hints = typing.get_args(hint)
        if len(parts) != len(hints):
            raise ValueError(text)
        return tuple(map(_convert, parts, hints))
    if hint is bool:
        words = {"true": True, "1": True, "false": False, "0": False}
        if text.lower() not in words:
            raise ValueError(text)
        return words[text.lower()]
    return hint(text)


def parse_literal(text):
    """A method's argument as Python has it.

    Args:
        text: a number, `true`, `false`, `none`, a list `1,2`, values by name
            `audio:0.5,visual:0`, or any other text.
    """
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    parts = text.split(",")
    if all(part.partition(":")[1] for part in parts):
        pairs = [part.split(":", 1) for part in parts]
        return {name.strip(): parse_literal(value) for name, value in pairs}
    if len(parts) > 1:
        return tuple(map(parse_literal, parts))
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def to_text(value):
    """A value as `--set` takes it."""
    if isinstance(value, dict):
        return ",".join(f"{k}:{to_text(v)}" for k, v in value.items())
    if isinstance(value, tuple | list):
        return ",".join(map(to_text, value))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)


def flatten(tree, prefix=""):
    """Pairs (dotted name, value) of nested dicts."""
    pairs = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            pairs += flatten(value, f"{name}.")
        else:
            pairs.append((name, value))
    return pairs
