"""Several runs beside one another: mean and deviation over their seeds."""

import dataclasses
import json
import pathlib

from keras_balance.atomic import write_json
from keras_balance.atomic import write_text
from keras_balance.errors import UsageError
from keras_balance.reports.comparison.group import Group
from keras_balance.reports.comparison.group import Row
from keras_balance.reports.comparison.group import settings
from keras_balance.runs.finished import read_run

APART = (
    "Runs of another recipe, backend, data or split are in tables of their "
    "own: they are never averaged, ranked or tested together."
)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Groups of rows; runs of different groups are never averaged.

    Args:
        groups: list of `Group`.
    """

    groups: list

    def to_json(self):
        """A dict of plain values: groups, their rows, their metrics."""
        from keras_balance.reports.comparison.to_json import group_json

        return {"groups": [group_json(group) for group in self.groups]}

    @property
    def notes(self):
        """What is to be said above the tables: a list of sentences."""
        return [APART] if len(self.groups) > 1 else []

    def table(self):
        """What `rich` prints in a terminal: the tables of each group."""
        from keras_balance.reports.comparison.terminal import terminal_tables

        return terminal_tables(self)

    def write_html(self, path):
        """Writes a page that opens offline and links to the runs' reports.

        Args:
            path: of the file; links are relative to its folder.

        Returns:
            `pathlib.Path` of the page.
        """
        from keras_balance.reports.comparison.page import write_page

        return write_page(self, path)

    def write(self, folder):
        """Writes comparison.html, .json, .csv, .md and .tex.

        Args:
            folder: path of a folder, made where it is missing.

        Returns:
            `pathlib.Path` of the page.
        """
        from keras_balance.reports.comparison import export

        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "comparison.json", self.to_json())
        for ending, make in (
            ("csv", export.to_csv),
            ("md", export.to_markdown),
            ("tex", export.to_latex),
        ):
            write_text(folder / f"comparison.{ending}", make(self))
        return self.write_html(folder / "comparison.html")


def compare(run_folders):
    """Compares finished runs.

    Runs are grouped by recipe, backend, demo, data and split. Within a group,
    runs whose method, variant and settings agree and whose seeds differ make
    one row.

    Args:
        run_folders: paths of run folders.

    Returns:
        A `Comparison`, in the order in which the runs are given.

    Raises:
        UsageError: there is no run, a run folder is not whole, or two runs
            differ in nothing, seed included.
    """
    runs = [read_run(folder) for folder in run_folders]
    if not runs:
        raise UsageError("Expected one run or more. Received: run_folders=[]")
    copies, groups = {}, {}
    for run in runs:
        shared = _shared(run)
        if run.fold is None:
            # The checksum is of all data, the parts together: who is in the
            # test part shows in its labels too.
            test = [sum(row) for row in run.evaluation["test"]["confusion"]]
        else:
            # Each fold has data and a test part of its own: of one copy of
            # the data as long as no fold is there twice over.
            test = [_copy_of(run, copies.setdefault(shared, []))]
        groups.setdefault((shared, tuple(test)), []).append(run)
    return Comparison(
        [Group(*key, _rows(members)) for (key, _), members in groups.items()]
    )


def _shared(run):
    """What runs of one group share: the fields of `Group`."""
    config = run.config
    return (
        config["recipe"],
        config["backend"],
        config["demo"],
        run.checksum if run.fold is None else None,
        config["config"].get("split"),
    )


def _copy_of(run, copies):
    """Which of the copies met so far, dicts from fold to checksum, it fits."""
    for place, checksums in enumerate(copies):
        if checksums.setdefault(run.fold, run.checksum) == run.checksum:
            return place
    copies.append({run.fold: run.checksum})
    return len(copies) - 1


def _rows(runs):
    rows = {}
    for run in runs:
        shared = json.dumps(settings(run), sort_keys=True)
        key = (run.config["method"], run.config["variant"], shared)
        rows.setdefault(key, []).append(run)
    return [
        Row(method, variant, _distinct(members[0], runs), _by_seed(members))
        for (method, variant, _), members in rows.items()
    ]


def _distinct(run, runs):
    """The settings of `run` that another run of its method does not share."""
    own = settings(run)
    same = ("method", "variant")
    others = [
        settings(other)
        for other in runs
        if all(other.config[key] == run.config[key] for key in same)
    ]
    names = dict.fromkeys(name for other in others for name in other)
    return {
        name: own.get(name)
        for name in names
        if any(other.get(name) != own.get(name) for other in others)
    }


def _by_seed(runs):
    found = {}
    for run in runs:
        key = (run.config["seed"], run.fold or 0)
        if key in found:
            raise UsageError(
                "Expected runs that differ in method, settings, fold or seed. "
                f"Received: {found[key].folder} and {run.folder}, both "
                f"of seed {key[0]}",
                "name each run once, or repeat one with another --seed",
            )
        found[key] = run
    return [found[key] for key in sorted(found)]
