"""The paper's tables: their numbers, their protocol, and ours beside them."""

import dataclasses

from keras_balance.runs.published import documents
from keras_balance.runs.published import is_of
from keras_balance.runs.published import lines


@dataclasses.dataclass(frozen=True)
class Printed:
    """A number that a paper printed.

    Args:
        value: in the scale of our metrics: a share for percent.
        mark: letter of its protocol in the table's notes.
        own: `Row.statistics` of the metric, or None where no row of the
            group is comparable.
        entry: dict of `keras_balance.runs.published.documents`.
    """

    value: float
    mark: str
    own: dict | None
    entry: dict


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a paper's table.

    Args:
        name: the method with its settings.
        note: which table it is of, and why nothing is run for it.
        numbers: dict from metric to `Printed`.
    """

    name: str
    note: str
    numbers: dict


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """The lines of a paper, in its order.

    Args:
        metrics: names of the metrics that the paper printed.
        lines: list of `Line`.
        protocols: dict of mark to text: how the number was measured, and
            where it is printed.
    """

    metrics: list
    lines: list
    protocols: dict


def paper_table(group, demo=False):
    """The published numbers of a group's recipe.

    Args:
        group: `Group`.
        demo: whether demonstrations are shown in this layout, too; their
            numbers compare with no paper's.

    Returns:
        A `PaperTable`, or None where nothing is published, or where the runs
        are demonstrations.
    """
    entries = documents(group.recipe, demo=group.demo)
    if (group.demo and not demo) or not entries:
        return None
    texts = dict.fromkeys(_protocol(entry) for entry in entries)
    marks = {text: _mark(place) for place, text in enumerate(texts)}
    return PaperTable(
        list(dict.fromkeys(entry["metric"] for entry in entries)),
        [_line(line, marks, group) for line in lines(entries)],
        {mark: text for text, mark in marks.items()},
    )


def _line(entries, marks, group):
    first = next(iter(entries.values()))
    told = [] if first["status"] == "run" else [f"not run: {first['status']}"]
    numbers = {
        metric: Printed(
            entry["value"] / (100 if entry["unit"] == "percent" else 1),
            marks[_protocol(entry)],
            _own(entry, group),
            entry,
        )
        for metric, entry in entries.items()
    }
    return Line(
        " ".join([first["method"], *first["settings"]]),
        "; ".join([first["table"], *told]),
        numbers,
    )


def _protocol(entry):
    return f"{entry['protocol']} ({entry['source']})"


def _mark(place):
    letters = "abcdefghijklmnopqrstuvwxyz"
    return letters[place % 26] * (place // 26 + 1)


def _own(entry, group):
    """Statistics of the one row that the number is of."""
    rows = [row for row in group.rows if is_of(entry, row.runs[0])]
    if len(rows) != 1:
        return None
    part = "" if entry["part"] == "fused" else f"{entry['part']}_"
    return rows[0].statistics(part + entry["metric"])
