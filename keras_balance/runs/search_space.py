"""`--tune name=...`: what a sweep tries, parsed without importing Optuna."""

import dataclasses
import itertools
import math
import types
import typing

from keras_balance.errors import UsageError
from keras_balance.runs.config import parse_literal
from keras_balance.runs.config import parse_settings
from keras_balance.runs.config import unknown

METHOD = "method."
# Another validation part, or another use of it, and the objectives of two
# trials could not be compared.
FIXED = (
    "selection",
    "modality",
    "split",
    "fold",
    "split_seed",
    "validation",
    "samples",
)
_FORM = "--tune name=v1,v2,... or name=low:high or name=low:high:log"


@dataclasses.dataclass(frozen=True)
class Choices:
    """Some values.

    Args:
        texts: tuple of texts, as `--set name=text` takes them.
    """

    texts: tuple

    def suggest(self, trial, name):
        """A text, by an Optuna trial."""
        return trial.suggest_categorical(name, self.texts)


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Args:
        low: integer, or float for real numbers.
        high: of the same type.
        log: whether every factor is equally likely, not every distance.
    """

    low: float
    high: float
    log: bool

    def suggest(self, trial, name):
        """A text, by an Optuna trial."""
        whole = isinstance(self.low, int)
        suggest = trial.suggest_int if whole else trial.suggest_float
        return tried_text(suggest(name, self.low, self.high, log=self.log))


def tried_text(value):
    """What is tried of what Optuna suggests: of a float six digits.

    More of them tell nothing, in tables and in names of run folders.
    """
    if isinstance(value, str):
        return value
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def parse_tune(config_class, texts, arguments=()):
    """The texts of `--tune` as a search space.

    Args:
        config_class: the recipe's dataclass of settings.
        texts: iterable of `name=...`, the name being a field or
            `method.<argument>`.
        arguments: names of that form that may be meant by an unknown one.

    Returns:
        dict of name to `Choices` or `Range`.

    Raises:
        UsageError: another form, an unknown or fixed name, a name twice, a
            value of another type.
    """
    space = {}
    known = {field.name for field in dataclasses.fields(config_class)}
    for text in texts:
        name, equals, values = text.partition("=")
        if not (equals and name and values):
            raise _malformed(text)
        if name in space:
            raise UsageError(f"Expected {name} in one --tune. Received: two")
        if name in FIXED:
            raise UsageError(
                f"Expected --tune to name no setting that decides what the "
                f"trials are judged on ({', '.join(FIXED)}). Received: "
                f"--tune {text}",
                f"--set {name}=VALUE is the same for every trial",
            )
        if not name.startswith(METHOD) and name not in known:
            raise unknown("--tune name", name, known, others=arguments)
        many = ":" in values
        parse = _range if many else _choices
        space[name] = parse(config_class, name, values, text)
    return space


def _choices(config_class, name, values, text):
    texts = tuple(dict.fromkeys(part.strip() for part in values.split(",")))
    if "" in texts:
        raise _malformed(text)
    for one in texts:
        _check(config_class, name, one)
    return Choices(texts)


def _range(config_class, name, values, text):
    low, high, *rest = values.split(":")
    if rest not in ([], ["log"]):
        raise _malformed(text)
    ends = [_number(config_class, name, end, text) for end in (low, high)]
    if not all(map(math.isfinite, ends)) or not ends[0] < ends[1]:
        raise UsageError(f"Expected low < high. Received: --tune {text}")
    if rest and ends[0] <= 0:
        raise UsageError(
            f"Expected low > 0 for log. Received: --tune {text}",
            _FORM,
        )
    if isinstance(ends[0], float) or isinstance(ends[1], float):
        ends = [float(end) for end in ends]
    return Range(*ends, log=bool(rest))


def _number(config_class, name, text, whole):
    """An end of a range, in the type of the setting."""
    value = _check(config_class, name, text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(
            f"Expected numbers at the ends of a range. Received: --tune "
            f"{whole}",
            _FORM,
        )
    return value


def _check(config_class, name, text):
    """The value that `--set name=text` gives; refuses what it refuses."""
    if name.startswith(METHOD):
        return parse_literal(text)
    hints = typing.get_type_hints(config_class)
    if _is_tuple(hints.get(name)):
        raise UsageError(
            f"Expected --tune of a setting with one value. Received: {name}, "
            "which has several",
        )
    return parse_settings(config_class, [f"{name}={text}"])[name]


def _is_tuple(hint):
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else ()
    return any(typing.get_origin(one) is tuple for one in (hint, *parts))


def _malformed(text):
    return UsageError(f"Expected {_FORM}. Received: --tune {text}")


def combinations(space):
    """Every point of a space of choices; None where one is a range.

    Args:
        space: dict of name to `Choices` or `Range`.

    Returns:
        list of dicts of name to text, or None.
    """
    if any(isinstance(own, Range) for own in space.values()):
        return None
    points = itertools.product(*(own.texts for own in space.values()))
    return [dict(zip(space, point, strict=True)) for point in points]


def for_method(space, taken):
    """What of a space a method can be tried with.

    Args:
        space: dict of name to `Choices` or `Range`.
        taken: names of the arguments that the method takes.

    Returns:
        dict: the recipe's settings, and the method's own arguments.
    """
    return {
        name: own
        for name, own in space.items()
        if not name.startswith(METHOD) or name.removeprefix(METHOD) in taken
    }
