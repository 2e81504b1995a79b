"""The numbers that a paper printed, from the recipe's `published.csv`.

    # protocol: how they were measured     each holds for the rows below it,
    # source: where they are printed       until it is said again
    # unit: percent
    # tolerance: 3.7                       two standard errors, in the unit
    # alias gblend: gblend-offline         a method's name in the table, and
                                           the slug and settings that it means
    table,method,settings,part,metric,value,printed,status
    fusion methods,joint,fusion=sum,fused,accuracy,51.5,51.5,run

`settings` are texts of `--set`, with spaces between. `part` is `fused`, or the
modality whose own prediction was measured. `status` is `run`, or the reason
why this package cannot measure the number.
"""

import csv
import dataclasses
import json

from keras_balance.runs import recipe as recipes
from keras_balance.runs.method_settings import METHOD
from keras_balance.runs.plan import named
from keras_balance.runs.plan import resolve

RUN = "run"
_HEAD = ("protocol", "source", "unit", "tolerance")
# What the numbers of a line of a table share.
_LINE = ("protocol", "source", "table", "method", "settings", "part", "status")


@dataclasses.dataclass(frozen=True)
class Printed:
    """A number that a paper printed.

    Args:
        recipe: name of the recipe.
        table: the paper's table, in words.
        method: the method as the table names it.
        slug: the method as this package names it.
        settings: list of texts `key=value`: what the row says.
        pairs: list of texts `key=value`: `settings` and what `method` means.
        part: `"fused"`, or a modality.
        metric: `"accuracy"`, `"map"` or `"macro_f1"`.
        value: in `unit`.
        printed: the text in the paper.
        status: `"run"`, or why there is no run.
        protocol: how it was measured.
        source: where it is printed.
        unit: `"percent"`, or empty.
        tolerance: in `unit`: how far another run may be from it by chance.
    """

    recipe: str
    table: str
    method: str
    slug: str
    settings: list
    pairs: list
    part: str
    metric: str
    value: float
    printed: str
    status: str
    protocol: str
    source: str
    unit: str
    tolerance: float

    @property
    def measurable(self):
        """Whether a run of this package measures it."""
        return self.status == RUN


def published(recipe):
    """The published numbers of a recipe.

    Args:
        recipe: name of the recipe.

    Returns:
        list of `Printed`, in the file's order; empty where nothing is
        published.

    Raises:
        ValueError: the file is not what it should be; the message names the
            line.
    """
    path = recipes.folder(recipe) / "published.csv"
    if not path.is_file():
        return []
    head, aliases, columns, rows = {}, {}, None, []
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            if line.startswith("#"):
                _head(line, head, aliases)
            elif columns is None:
                columns = line.split(",")
            else:
                (cells,) = csv.reader([line])
                row = dict(zip(columns, cells, strict=True))
                rows.append(_row(recipe, row, head, aliases))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"expected a row of published numbers. Received: {path}, line "
                f"{number}: {line!r} ({type(error).__name__}: {error})"
            ) from error
    return rows


def _head(line, head, aliases):
    name, _, text = line.lstrip("# ").partition(": ")
    if name.startswith("alias "):
        aliases[name.removeprefix("alias ")] = text.split()
    elif name in _HEAD:
        head[name] = text.strip()
    else:
        raise ValueError(f"the head has {', '.join(_HEAD)} and alias NAME")


def _row(recipe, row, head, aliases):
    slug, *meant = aliases.get(row["method"], [row["method"]])
    settings = row.pop("settings").split()
    return Printed(
        recipe=recipe,
        slug=slug,
        settings=settings,
        pairs=[*meant, *settings],
        value=float(row.pop("value")),
        tolerance=float(head["tolerance"]),
        **{name: head[name] for name in ("protocol", "source", "unit")},
        **row,
    )


def documents(recipe, slug=None, demo=False):
    """The published numbers as plain values, with what their runs are.

    Args:
        recipe: name of the recipe.
        slug: a method, or None for all.
        demo: whether `config` is that of the demonstration.

    Returns:
        list of dicts: the fields of `Printed`, and `config`: for every
        setting that some row of the method names, its value in this row's
        run; empty where there is no run.
    """
    rows = published(recipe)
    found = [row for row in rows if slug in (None, row.slug)]
    return [
        {**dataclasses.asdict(row), "config": _config(row, rows, demo)}
        for row in found
    ]


def _config(row, rows, demo):
    if not row.measurable:
        return {}
    same = [one for one in rows if one.slug == row.slug and one.measurable]
    names = {pair.partition("=")[0] for one in same for pair in one.pairs}
    config, _, arguments = resolve(
        recipes.load(row.recipe), row.slug, "paper", demo, row.pairs
    )
    found = named(config, arguments)
    return {name: found.get(name) for name in sorted(names)}


def lines(entries):
    """The published numbers as the paper's tables have them: line by line.

    Args:
        entries: list of what `documents` returns.

    Returns:
        list of dicts from metric to entry, one for each line of a table.
    """
    found, before = [], None
    for entry in entries:
        key = [entry[name] for name in _LINE]
        if key != before or entry["metric"] in found[-1]:
            found.append({})
        found[-1][entry["metric"]] = entry
        before = key
    return found


def is_of(entry, run):
    """Whether an entry's run has the method and the settings of a run.

    Args:
        entry: of what `documents` returns.
        run: `keras_balance.runs.finished.Run`.
    """
    now = {
        **run.config["config"],
        **{
            METHOD + name: value
            for name, value in run.config.get("method_arguments", {}).items()
        },
    }
    # As config.json has it: tuples are lists there.
    wanted = json.loads(json.dumps(entry["config"]))
    return (
        entry["status"] == RUN
        and entry["slug"] == run.slug
        and all(now.get(name) == value for name, value in wanted.items())
    )


def changes_beside(entry, run):
    """The changes of a run that the entry does not name itself.

    Args:
        entry: of what `documents` returns.
        run: `keras_balance.runs.finished.Run`.

    Returns:
        list of texts `key=value`; where there are any, the run's number is not
        one of the protocol.
    """
    named_there = {pair.partition("=")[0] for pair in entry["pairs"]}
    return [
        change
        for change in run.changes
        if change.partition("=")[0] not in named_there
    ]
