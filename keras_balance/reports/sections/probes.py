"""What the features of each frozen encoder know of the classes."""

from keras_balance.reports.page import Html
from keras_balance.reports.page import join
from keras_balance.reports.page import number
from keras_balance.reports.page import section
from keras_balance.reports.page import table
from keras_balance.reports.page import tag
from keras_balance.reports.sections.names import labelled

_LEAD = (
    "Logistic regression on the features of each frozen encoder, and on all "
    "of them together. It is fitted on the training part without "
    "augmentation; its strength C, the inverse of the regularisation, is "
    "chosen on held-out samples that are not of the test split."
)
_RATIO = (
    "Modality imbalance ratio: accuracy of the row's modality over that of "
    "the column's; 1 is balanced. The first table is of the probes, the "
    "second of the logits that the model gives each modality."
)


def probes(run):
    """Accuracy of the linear probes, and the imbalance ratios."""
    analysis = run.evaluation.get("analysis", {})
    found = analysis.get("probes", {})
    ratios = [
        ("of the probes", analysis.get("probe_imbalance_ratio")),
        ("of the logits", run.evaluation["test"].get("imbalance_ratio")),
    ]
    shown = [_ratio(words, r) for words, r in ratios if r and len(r) > 1]
    if not found:
        return Html("")
    note = tag("p", _RATIO, class_="lead") if shown else Html("")
    return section(
        "Linear probes", _table(run, found), note, *shown, lead=_LEAD
    )


def _table(run, found):
    colors = {name: index for index, name in enumerate(run.modalities)}
    rows = [
        [
            labelled(name, colors.get(name)),
            number(probe["accuracy"]),
            number(probe["macro_f1"]),
            number(probe.get("validation")),
            _strength(probe.get("strength")),
        ]
        for name, probe in found.items()
    ]
    headings = ["features", "Accuracy, %", "Macro F1, %", "held out, %", "C"]
    return table(headings, rows, class_="numbers")


def _strength(value):
    return number(None) if value is None else f"{value:g}"


def _ratio(words, matrix):
    rows = [
        [
            first,
            *(
                number(row.get(second), scale=1.0, digits=2)
                for second in matrix
            ),
        ]
        for first, row in matrix.items()
    ]
    headings = [f"MIR {words}", *matrix]
    return join([table(headings, rows, class_="numbers")])
