"""The paper's table: its numbers, their protocol, and ours beside them."""

import dataclasses

from keras_balance.runs.published import published


@dataclasses.dataclass(frozen=True)
class Printed:
    """A number that a paper printed.

    Args:
        value: in the scale of our metrics: a share for percent.
        mark: letter of its protocol in the table's notes.
        own: `Row.statistics` of the metric, or None where no row of the
            group is comparable.
        entry: dict of published.json.
    """

    value: float
    mark: str
    own: dict | None
    entry: dict


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """One line a method and setting, in the paper's order.

    Args:
        metrics: names of the metrics that the paper printed.
        lines: list of `(method, setting, {metric: Printed})`.
        protocols: dict of mark to text: how the number was measured, and
            where it is printed.
    """

    metrics: list
    lines: list
    protocols: dict


def paper_table(group):
    """The published numbers of a group's recipe.

    Args:
        group: `Group`.

    Returns:
        A `PaperTable`, or None where nothing is published, or where the runs
        are demonstrations: their numbers compare with no paper's.
    """
    entries = published(group.recipe)
    if group.demo or not entries:
        return None
    texts = dict.fromkeys(_protocol(entry) for entry in entries)
    marks = {text: _mark(place) for place, text in enumerate(texts)}
    lines = {}
    for entry in entries:
        line = lines.setdefault((entry["method"], entry["setting"]), {})
        scale = 100 if entry["unit"] == "percent" else 1
        line[entry["metric"]] = Printed(
            entry["value"] / scale,
            marks[_protocol(entry)],
            _own(entry, entries, group),
            entry,
        )
    return PaperTable(
        list(dict.fromkeys(entry["metric"] for entry in entries)),
        [(*key, line) for key, line in lines.items()],
        {mark: text for text, mark in marks.items()},
    )


def _protocol(entry):
    return f"{entry['protocol']} ({entry['source']})"


def _mark(place):
    letters = "abcdefghijklmnopqrstuvwxyz"
    return letters[place % 26] * (place // 26 + 1)


def _own(entry, entries, group):
    """Statistics of the one row that the number, and no other, is of."""
    rows = [row for row in group.rows if _is_of(entry, row)]
    if len(rows) != 1:
        return None
    rivals = [
        other
        for other in entries
        if other["metric"] == entry["metric"] and _is_of(other, rows[0])
    ]
    return rows[0].statistics(entry["metric"]) if len(rivals) == 1 else None


def _is_of(entry, row):
    """Whether an entry has the method, and the settings, of the row."""
    config = row.runs[0].config["config"]
    wanted = entry.get("config", {})
    same = all(config.get(key) == value for key, value in wanted.items())
    return same and entry["method"] == row.method
