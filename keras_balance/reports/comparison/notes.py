"""The sentences that say how to read the tables of a comparison."""

from keras_balance.reports.comparison.paired import LEAST_SEEDS
from keras_balance.runs.published import changes_beside
from keras_balance.runs.published import is_of

DEMO = (
    "These are demonstration runs on a small generated data set: the numbers "
    "say nothing about the methods, and no paper's compare with them."
)


def result_notes(group):
    """Sentences that say how to read the table of results."""
    counts = {len(row.seeds) for row in group.rows}
    notes = [DEMO] if group.demo else []
    if counts == {1}:
        notes.append(
            "One seed each: no deviation, and no difference can be told "
            "from noise."
        )
    else:
        notes.append(
            "Mean ± standard deviation (n - 1 in the denominator) over n "
            "seeds; one seed has no deviation."
        )
    folds = max(len(row.folds) for row in group.rows)
    if folds > 1:
        notes.append(
            f"Up to {folds} folds, each with a test part of its own: a seed "
            "counts by its mean over them; the deviation of the folds' means "
            "stands apart."
        )
    if any(row.is_diagonal for row in group.rows):
        notes.append(
            "A row has each seed in one fold alone: its deviation is of seeds "
            "and folds together."
        )
    if len(group.rows) > 1:
        notes.append(
            "Rank: by accuracy within each seed that all rows have, then "
            "averaged; 1 is the best."
        )
    if "ece" in group.metrics:
        notes.append("ECE: 15 bins, lower is better.")
    if "imbalance_degree" in group.metrics:
        notes.append(
            "Imbalance: (largest - smallest) / sum of the positive Shapley "
            "contributions, inputs masked; not in %, 0 is balanced. This "
            "project's definition."
        )
    for words, found in (
        ("Rows differ in", group.varied),
        ("Versions differ in", group.versions),
        ("Machines differ in", group.machines),
    ):
        if found:
            texts = [f"{k} ({', '.join(v)})" for k, v in found.items()]
            notes.append(f"{words} {'; '.join(texts)}.")
    return notes


def beside_notes(found):
    """Sentences that say how to read the table beside joint training.

    Args:
        found: list of `Beside`.
    """
    tested = sum(one.difference.p is not None for one in found)
    notes = [
        "Difference: accuracy less joint training's, in percentage points, "
        "mean over the common seeds."
    ]
    if tested:
        notes.append(
            "Interval and p: Student's paired t-test on the differences, "
            "two-sided, 95 %. It takes them to be normal and speaks of other "
            "seeds, not of other test data."
        )
        notes.append(
            f"Holm: p adjusted for the {tested} tests of this table."
            if tested > 1
            else "One test: nothing to adjust for."
        )
    else:
        notes.append(
            f"A test needs {LEAST_SEEDS} seeds that both rows ran: repeat "
            "--seed."
        )
    notes.append(
        "Time: seconds of training relative to joint's, validation included; "
        "a resumed run counts its last process alone. Passes: of all "
        "encoders in a step (F forward, B backward), as the method's "
        "catalogue says."
    )
    return notes


def paper_notes(group, paper):
    """Sentences about a `PaperTable`; every protocol is in them.

    Args:
        group: `Group`.
        paper: `PaperTable`.
    """
    notes = [f"[{mark}] {text}." for mark, text in paper.protocols.items()]
    notes.append(
        "Ours: the row of the same method and settings, where there is one "
        "alone; papers rarely say how many seeds they ran."
    )
    selections = dict.fromkeys(
        run.evaluation["selection"]
        for row in group.rows
        for run in row.runs
        if "selection" in run.evaluation
    )
    notes += [f"Ours, selected: {text}." for text in selections]
    changes = dict.fromkeys(
        change
        for line in paper.lines
        for printed in line.numbers.values()
        for row in group.rows
        for run in row.runs
        if is_of(printed.entry, run)
        for change in changes_beside(printed.entry, run)
    )
    if changes:
        notes.append(
            f"Runs changed settings of the recipe ({', '.join(changes)}): a "
            "difference says nothing about whether it reproduces the number."
        )
    return notes
