"""The numbers of the test split, fused and per modality."""

import math

from keras_balance.reports.page import Html
from keras_balance.reports.page import join
from keras_balance.reports.page import number
from keras_balance.reports.page import section
from keras_balance.reports.page import table
from keras_balance.reports.page import tag
from keras_balance.reports.sections.names import labelled
from keras_balance.runs.finished import METRICS

# Name, heading, factor and decimals of what a table row shows.
_COLUMNS = (
    *((name, f"{heading}, %", 100.0, 1) for name, heading in METRICS.items()),
    ("top5", "Top-5, %", 100.0, 1),
    ("mean_class_accuracy", "Class mean, %", 100.0, 1),
    ("ece", "ECE, %", 100.0, 1),
    ("nll", "NLL", 1.0, 2),
)
_OWN_LOGITS = (
    "A modality's row is read from the logits that this model gives that "
    "modality alone; it is not a model trained on one modality."
)
_TERMS = (
    "Class mean: the recall averaged over classes. ECE: expected calibration "
    "error over 15 bins. NLL: negative log-likelihood of the true class, in "
    "nats; lower is better for both."
)


def headline(run):
    """Tiles of the main numbers, and the table with every modality."""
    test = run.evaluation["test"]
    tiles = [
        tag(
            "div",
            tag("b", number(test[key]), tag("small", " %")),
            tag("span", name),
        )
        for key, name in METRICS.items()
    ]
    return section(
        "Test split",
        tag("div", *tiles, class_="tiles"),
        _table(run),
        lead=_lead(test),
    )


def _lead(test):
    samples, classes = test["samples"], len(test["class_names"])
    largest = max(map(sum, test["confusion"])) / samples
    low, high = _wilson(test["accuracy"], samples)
    return (
        f"{samples} samples, {classes} classes. Always naming the most "
        f"frequent class would be right {100 * largest:.1f} % of the time. "
        "The number of samples alone leaves the accuracy between "
        f"{100 * low:.1f} and {100 * high:.1f} % (95\u00a0% Wilson interval); "
        "what another seed changes comes on top."
    )


def _wilson(share, samples, z=1.959964):
    """The interval of a share that Wilson's score test does not reject."""
    middle = share + z * z / (2 * samples)
    half = z * math.sqrt(
        share * (1 - share) / samples + (z / (2 * samples)) ** 2
    )
    scale = 1 + z * z / samples
    return (middle - half) / scale, (middle + half) / scale


def _table(run):
    test = run.evaluation["test"]
    columns = [column for column in _COLUMNS if column[0] in test]
    if not test["per_modality"] and len(columns) == len(METRICS):
        return Html("")
    rows = [[labelled("fused", None), *_cells(test, columns)]]
    for index, name in enumerate(run.modalities):
        if name in test["per_modality"]:
            own = test["per_modality"][name]
            rows.append([labelled(name, index), *_cells(own, columns)])
    headings = ["prediction", *(heading for _, heading, *_ in columns)]
    notes = [_OWN_LOGITS] if test["per_modality"] else []
    notes += [_TERMS] if "ece" in test else []
    note = tag("p", " ".join(notes), class_="lead") if notes else Html("")
    return join([table(headings, rows, class_="numbers"), note])


def _cells(scores, columns):
    return [
        number(scores.get(name), scale=scale, digits=digits)
        for name, _, scale, digits in columns
    ]
