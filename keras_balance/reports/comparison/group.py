"""The rows of a comparison, and the groups within which they compare."""

import dataclasses
import statistics

from keras_balance.reports.comparison.columns import columns
from keras_balance.runs.config import flatten


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

    def by_seed(self, metric):
        """`{seed: value}` of the runs that have the metric."""
        (column,) = [c for c in self.columns if c.name == metric] or [None]
        if column is None:
            return {}
        found = {run.config["seed"]: column.read(run) for run in self.runs}
        return {s: value for s, value in found.items() if value is not None}

    def values(self, metric):
        """The metric of every run that has it."""
        return list(self.by_seed(metric).values())

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

    @property
    def columns(self):
        """The `Column`s of this row's modalities."""
        return columns(self.runs[0].modalities)


@dataclasses.dataclass(frozen=True)
class Group:
    """Rows that may be compared: one recipe, one data set, one backend.

    Args:
        recipe: name of the recipe.
        backend: name of the backend.
        demo: whether the data is the generated demo set.
        checksum: checksum of the data, or None.
        split: how the data are split, or None where the recipe has one way.
        rows: list of `Row`.
    """

    recipe: str
    backend: str
    demo: bool
    checksum: str | None
    split: str | None
    rows: list

    @property
    def title(self):
        demo = ", demo" if self.demo else ""
        split = f", split {self.split}" if self.split else ""
        data = f", data {self.checksum[:10]}" if self.checksum else ""
        return f"{self.recipe} on {self.backend}{demo}{split}{data}"

    @property
    def columns(self):
        """The `Column`s that a row has, fused ones first."""
        modalities = [m for row in self.rows for m in row.runs[0].modalities]
        return [
            column
            for column in columns(dict.fromkeys(modalities))
            if any(row.values(column.name) for row in self.rows)
        ]

    @property
    def metrics(self):
        """Names of the columns."""
        return [column.name for column in self.columns]

    @property
    def varied(self):
        """`{setting: values}` of the recipe's settings that rows differ in."""
        return _varied(
            pair
            for row in self.rows
            for pair in flatten(row.runs[0].config["config"])
        )

    @property
    def versions(self):
        """`{package: versions}` of what differs between the runs."""
        return _varied(
            (name.removeprefix("versions."), value)
            for name, value in self._environments()
            if name.startswith("versions.")
        )

    @property
    def machines(self):
        """`{what: values}` of the machines that the runs ran on."""
        return _varied(
            pair
            for pair in self._environments()
            if pair[0] in ("platform", "processors", "device")
        )

    def _environments(self):
        for row in self.rows:
            for run in row.runs:
                yield from flatten(run.environment)


def _varied(pairs):
    """`{name: values}` of the names with more than one value, as texts."""
    found = {}
    for name, value in pairs:
        found.setdefault(name, {})[str(value)] = None
    return {name: list(own) for name, own in found.items() if len(own) > 1}


def settings(run):
    """All settings that two runs of a row must share."""
    config = run.config
    kept = {
        "config": config["config"],
        "method_arguments": config.get("method_arguments", {}),
        "on_error": config.get("on_error"),
    }
    pairs = flatten(kept)
    return {name.split(".", 1)[-1]: value for name, value in pairs}
