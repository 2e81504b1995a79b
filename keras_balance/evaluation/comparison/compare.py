"""Several runs beside one another: mean and deviation over their seeds."""

import dataclasses
import json
import statistics

from keras_balance.errors import UsageError
from keras_balance.evaluation.run import METRICS
from keras_balance.evaluation.run import flatten
from keras_balance.evaluation.run import read_run


@dataclasses.dataclass(frozen=True)
class Row:
    """The runs that differ in nothing but their seed.

    Args:
        method: slug.
        variant: `"paper"` or `"code"`.
        settings: dict of what distinguishes this row from its neighbours.
        runs: list of `Run`, by seed.
    """

    method: str
    variant: str
    settings: dict
    runs: list

    @property
    def name(self):
        """The method, with what sets it apart from a row of the same one."""
        pairs = [f"{key}={value}" for key, value in self.settings.items()]
        return f"{self.method} ({', '.join(pairs)})" if pairs else self.method

    @property
    def seeds(self):
        return [run.config["seed"] for run in self.runs]

    def values(self, metric):
        """The metric of every run that has it."""
        found = [run.measured(metric) for run in self.runs]
        return [value for value in found if value is not None]

    def statistics(self, metric):
        """`{"mean", "std", "n"}`; std (ddof 1) is None for one run."""
        values = self.values(metric)
        if not values:
            return {"mean": None, "std": None, "n": 0}
        return {
            "mean": statistics.fmean(values),
            "std": statistics.stdev(values) if len(values) > 1 else None,
            "n": len(values),
        }


@dataclasses.dataclass(frozen=True)
class Group:
    """Rows that may be compared: one recipe, one data set, one backend.

    Args:
        recipe: name of the recipe.
        backend: name of the backend.
        demo: whether the data is the generated demo set.
        checksum: checksum of the data, or None.
        rows: list of `Row`.
    """

    recipe: str
    backend: str
    demo: bool
    checksum: str | None
    rows: list

    @property
    def title(self):
        demo = ", demo" if self.demo else ""
        data = f", data {self.checksum[:10]}" if self.checksum else ""
        return f"{self.recipe} on {self.backend}{demo}{data}"

    @property
    def metrics(self):
        """Names of the metrics that a row has, fused ones first."""
        modalities = [m for row in self.rows for m in row.runs[0].modalities]
        names = [
            *METRICS,
            *(f"{name}_accuracy" for name in dict.fromkeys(modalities)),
        ]
        return [n for n in names if any(row.values(n) for row in self.rows)]

    @property
    def varied(self):
        """`{setting: values}` of the recipe's settings that rows differ in."""
        found = {}
        for row in self.rows:
            for name, value in flatten(row.runs[0].config["config"]):
                found.setdefault(name, []).append(str(value))
        return {
            name: list(dict.fromkeys(values))
            for name, values in found.items()
            if len(set(values)) > 1
        }

    @property
    def versions(self):
        """`{package: versions}` of what differs between the runs."""
        found = {}
        for row in self.rows:
            for run in row.runs:
                for name, value in flatten(run.environment):
                    if name.startswith("versions."):
                        found.setdefault(name[9:], set()).add(str(value))
        return {k: sorted(v) for k, v in found.items() if len(v) > 1}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Groups of rows; runs of different groups are never averaged.

    Args:
        groups: list of `Group`.
    """

    groups: list

    def to_json(self):
        """A dict of plain values: groups, their rows, their metrics."""
        return {"groups": [_group_json(group) for group in self.groups]}

    def table(self):
        """What `rich` prints in a terminal: a table per group."""
        from keras_balance.evaluation.comparison_table import terminal_tables

        return terminal_tables(self.groups)

    def write_html(self, path):
        """Writes a page that opens offline and links to the runs' reports.

        Args:
            path: of the file; links are relative to its folder.

        Returns:
            `pathlib.Path` of the page.
        """
        from keras_balance.evaluation.comparison_page import write_page

        return write_page(self, path)


def compare(run_folders):
    """Compares finished runs.

    Runs are grouped by recipe, backend, demo and data checksum. Within a
    group, runs whose method, variant and settings agree and whose seeds
    differ make one row.

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
    groups = {}
    for run in runs:
        config = run.config
        key = (
            config["recipe"],
            config["backend"],
            config["demo"],
            run.checksum,
        )
        groups.setdefault(key, []).append(run)
    return Comparison(
        [Group(*key, _rows(members)) for key, members in groups.items()]
    )


def _settings(run):
    """All settings that two runs of a row must share."""
    config = run.config
    kept = {
        "config": config["config"],
        "method_arguments": config.get("method_arguments", {}),
        "on_error": config.get("on_error"),
    }
    pairs = flatten(kept)
    return {name.split(".", 1)[-1]: value for name, value in pairs}


def _rows(runs):
    rows = {}
    for run in runs:
        settings = json.dumps(_settings(run), sort_keys=True)
        key = (run.config["method"], run.config["variant"], settings)
        rows.setdefault(key, []).append(run)
    return [
        Row(method, variant, _distinct(members[0], runs), _by_seed(members))
        for (method, variant, _), members in rows.items()
    ]


def _distinct(run, runs):
    """The settings of `run` that another run of its method does not share."""
    own = _settings(run)
    same = ("method", "variant")
    others = [
        _settings(other)
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
    by_seed = {}
    for run in runs:
        seed = run.config["seed"]
        if seed in by_seed:
            raise UsageError(
                "Expected runs that differ in method, settings or seed. "
                f"Received: {by_seed[seed].folder} and {run.folder}, both "
                f"of seed {seed}",
                "name each run once, or repeat one with another --seed",
            )
        by_seed[seed] = run
    return [by_seed[seed] for seed in sorted(by_seed)]


def _group_json(group):
    return {
        "recipe": group.recipe,
        "backend": group.backend,
        "demo": group.demo,
        "data_checksum": group.checksum,
        "differing_settings": group.varied,
        "differing_versions": group.versions,
        "rows": [
            {
                "method": row.method,
                "variant": row.variant,
                "settings": row.settings,
                "seeds": row.seeds,
                "runs": [str(run.folder) for run in row.runs],
                "metrics": {m: row.statistics(m) for m in group.metrics},
            }
            for row in group.rows
        ],
    }
