"""What each method gains over joint training, and what it costs."""

import dataclasses
import statistics

from keras_balance import methods
from keras_balance.reports.comparison.group import settings
from keras_balance.reports.comparison.paired import Paired
from keras_balance.reports.comparison.paired import holm
from keras_balance.reports.comparison.paired import paired_difference

BASELINE = "joint"


@dataclasses.dataclass(frozen=True)
class Beside:
    """One row beside the joint training that is nearest to it.

    Args:
        row: `Row` of the method.
        joint: `Row` of joint training.
        difference: `Paired`, of the accuracies.
        p_holm: its p, adjusted for the tests of the table, or None.
        time: seconds of training over joint training's, or None.
        passes: what the method says of its encoder passes, or None.
    """

    row: object
    joint: object
    difference: Paired
    p_holm: float | None
    time: float | None
    passes: str | None


def beside_joint(group):
    """Every row of a `Group` that is not joint training itself.

    Args:
        group: `Group`.

    Returns:
        list of `Beside`; empty where no row of the same variant is joint.
    """
    pairs = [(row, _joint(row, group.rows)) for row in group.rows]
    pairs = [
        (row, joint)
        for row, joint in pairs
        if joint is not None and row.method != BASELINE
    ]
    differences = [
        paired_difference(row.by_seed("accuracy"), joint.by_seed("accuracy"))
        for row, joint in pairs
    ]
    adjusted = holm([found.p for found in differences])
    return [
        Beside(row, joint, found, p, _time(row, joint), _passes(row))
        for (row, joint), found, p in zip(
            pairs, differences, adjusted, strict=True
        )
    ]


def _joint(row, rows):
    """Of several joint rows the one whose settings are nearest."""
    own = settings(row.runs[0])

    def apart(other):
        found = settings(other.runs[0])
        names = own.keys() | found.keys()
        return sum(own.get(name) != found.get(name) for name in names)

    same = [
        other
        for other in rows
        if (other.method, other.variant) == (BASELINE, row.variant)
    ]
    return min(same, key=apart, default=None)


def _time(row, joint):
    """Mean seconds of training over the common seeds, relative to joint."""
    own, reference = _seconds(row), _seconds(joint)
    common = own.keys() & reference.keys()
    if not common:
        return None
    mean = statistics.fmean(own[seed] for seed in common)
    return mean / statistics.fmean(reference[seed] for seed in common)


def _seconds(row):
    found = {}
    for run in row.runs:
        seconds = run.evaluation.get("seconds", {}).get("fit")
        if seconds:
            found.setdefault(run.config["seed"], []).append(seconds)
    return {seed: statistics.fmean(own) for seed, own in found.items()}


def _passes(row):
    """What the catalogue says; a unimodal row's name ends in its modality."""
    modality = row.runs[0].config["config"].get("modality")
    slug = row.method.removesuffix(f"-{modality}")
    return methods.get(slug).cost if slug in methods.names() else None
