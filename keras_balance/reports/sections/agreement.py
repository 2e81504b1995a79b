"""Which modalities are right together, and what the fusion makes of it."""

from keras_balance.reports import figures
from keras_balance.reports.figures import Bars
from keras_balance.reports.page import Html
from keras_balance.reports.page import number
from keras_balance.reports.page import section
from keras_balance.reports.page import table
from keras_balance.reports.sections.names import together

_LEAD = (
    "Test samples by which modalities' own logits name the true class, and "
    "how often the fused prediction is right on them. The logits are of the "
    "parts of this one model; papers also show this for models that were "
    "trained on one modality each, which is another table."
)
_SHOWN = 16
_LEFT_OUT = " The {} patterns with the fewest samples are left out."


def agreement(run):
    """A table and a figure of the patterns of right and wrong."""
    test = run.evaluation["test"]
    patterns = test.get("agreement")
    if not patterns:
        return Html("")
    left_out = len(patterns) - _SHOWN
    if left_out > 0:
        patterns = sorted(patterns, key=lambda p: -p["samples"])[:_SHOWN]
    names = [_name(pattern["right"], patterns) for pattern in patterns]
    rows = [
        [
            name,
            str(pattern["samples"]),
            number(pattern["samples"] / test["samples"]),
            number(_share(pattern)),
        ]
        for name, pattern in zip(names, patterns, strict=True)
    ]
    right = [p["fused_right"] / test["samples"] for p in patterns]
    wrong = [
        (p["samples"] - p["fused_right"]) / test["samples"] for p in patterns
    ]
    drawn = figures.bars(
        "Share of the samples",
        names,
        [Bars("fused right", right), Bars("fused wrong", wrong, pale=True)],
        stacked=True,
        alone="Agreement of the modalities",
    )
    headings = ["right", "samples", "share, %", "fused right, %"]
    return section(
        "Agreement of the modalities",
        table(headings, rows, class_="numbers"),
        drawn,
        lead=_LEAD + (_LEFT_OUT.format(left_out) if left_out > 0 else ""),
    )


def _name(right, patterns):
    # Two patterns are those of a single modality: right, or not.
    alone = len(right) == 1 and len(patterns) > 2
    return f"only {right[0]}" if alone else together(right)


def _share(pattern):
    if not pattern["samples"]:
        return None
    return pattern["fused_right"] / pattern["samples"]
