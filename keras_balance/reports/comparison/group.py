"""The rows of a comparison, and the groups within which they compare."""

import collections
import dataclasses
import statistics

from keras_balance.reports.comparison.columns import columns
from keras_balance.runs.config import flatten


@dataclasses.dataclass(frozen=True)
class Row:
    """The runs that differ in nothing but their seed and their fold.

    Args:
        method: slug.
        variant: `"paper"` or `"code"`.
        settings: dict of what distinguishes this row from its neighbours.
        runs: list of `Run`, by seed and fold.
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
        return list(dict.fromkeys(run.config["seed"] for run in self.runs))

    @property
    def folds(self):
        """The folds; `[None]` where the recipe has none."""
        return sorted({run.fold for run in self.runs}, key=str)

    @property
    def is_diagonal(self):
        """Whether there are folds and each seed is of one alone.

        Seeds and folds then vary together, and no average tells them apart.
        """
        return len(self.folds) > 1 and len(self.runs) == len(self.seeds)

    def by_seed(self, metric):
        """`{seed: value}`, the mean over the folds.

        Seeds that lack a fold that others have are left out: their mean would
        be of other data.
        """
        found = {}
        for (seed, _), value in self._whole(metric).items():
            found.setdefault(seed, []).append(value)
        return {seed: statistics.fmean(own) for seed, own in found.items()}

    def by_fold(self, metric):
        """`{fold: value}`, the mean over the seeds that have every fold."""
        found = {}
        for (_, fold), value in self._whole(metric).items():
            found.setdefault(fold, []).append(value)
        return {fold: statistics.fmean(own) for fold, own in found.items()}

    def _whole(self, metric):
        """`{(seed, fold): value}` of the seeds that have every fold."""
        (column,) = [c for c in self.columns if c.name == metric] or [None]
        if column is None:
            return {}
        found = {
            (run.config["seed"], run.fold): value
            for run in self.runs
            if (value := column.read(run)) is not None
        }
        if self.is_diagonal:
            return found
        counts = collections.Counter(seed for seed, _ in found)
        return {
            key: value
            for key, value in found.items()
            if counts[key[0]] == len(self.folds)
        }

    def values(self, metric):
        """The metric of every seed that has it."""
        return list(self.by_seed(metric).values())

    def statistics(self, metric):
        """Mean, deviation over seeds and, apart, over folds.

        Returns:
            dict of `mean`; `std` (ddof 1) over the `n` seeds, None for one;
            and where there are folds `std_folds`, of the folds' means.
        """
        values = self.values(metric)
        if not values:
            return {"mean": None, "std": None, "n": 0}
        found = {
            "mean": statistics.fmean(values),
            "std": _deviation(values),
            "n": len(values),
        }
        if len(self.folds) > 1 and not self.is_diagonal:
            found["std_folds"] = _deviation(self.by_fold(metric).values())
        return found

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


def _deviation(values):
    values = list(values)
    return statistics.stdev(values) if len(values) > 1 else None


def _varied(pairs):
    """`{name: values}` of the names with more than one value, as texts."""
    found = {}
    for name, value in pairs:
        found.setdefault(name, {})[str(value)] = None
    return {name: list(own) for name, own in found.items() if len(own) > 1}


def settings(run):
    """All settings that two runs of a row must share."""
    config = run.config
    own = {k: v for k, v in config["config"].items() if k != "fold"}
    kept = {
        "config": own,
        "method_arguments": config.get("method_arguments", {}),
        "on_error": config.get("on_error"),
    }
    pairs = flatten(kept)
    return {name.split(".", 1)[-1]: value for name, value in pairs}
