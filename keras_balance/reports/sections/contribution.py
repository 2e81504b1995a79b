"""What each modality adds to the accuracy."""

from keras_balance.reports import figures
from keras_balance.reports.figures import Bars
from keras_balance.reports.page import Html
from keras_balance.reports.page import join
from keras_balance.reports.page import number
from keras_balance.reports.page import section
from keras_balance.reports.page import table
from keras_balance.reports.page import tag
from keras_balance.reports.sections.names import labelled
from keras_balance.reports.sections.names import together

_KINDS = {
    "input": "inputs set to zero",
    "features": "features set to zero",
}
_TITLE = "Contribution of each modality"
_TOO_MANY = (
    "Shapley values ask for every set of modalities; there are too many here. "
    "A modality that is not present is set to zero, before its encoder "
    "(inputs) or after it (features)."
)
_LEAD = (
    "Shapley value of each modality, in points of test accuracy: what it adds "
    "on average over every order in which the modalities may join. A modality "
    "that is not there is set to zero, before its encoder (inputs) or after "
    "it (features). The values of all modalities add up to the accuracy with "
    "all of them less that with none, which need not be chance."
)
_DEGREE = (
    "Imbalance degree, a definition of this package: the largest less the "
    "smallest contribution over the sum of all, negative ones counted as 0; "
    "0 is balanced, 1 is a single modality, a dash that the contributions sum "
    "to no more than chance. {found}."
)
_SHOWN = 16
_VALUATION = (
    "Valuation (SMV): Shapley value of a sample where a set of modalities is "
    "worth their number if the sample is right and 0 if not, averaged over "
    "the test split."
)


def contribution(run):
    """Shapley values, accuracies of what they are made of, valuation."""
    analysis = run.evaluation.get("analysis", {})
    shapley = analysis.get("shapley", {})
    masked = _masked(analysis)
    if shapley:
        values = _values(run, shapley, analysis.get("valuation", {}))
        return section(_TITLE, values, masked, lead=_LEAD)
    return section(_TITLE, masked, lead=_TOO_MANY) if masked else Html("")


def _values(run, shapley, valuation):
    notes = [_degree(shapley), *([_VALUATION] if valuation else [])]
    return join(
        [
            _figure(run, shapley),
            _table(run, shapley, valuation),
            *(tag("p", note, class_="lead") for note in notes),
        ]
    )


def _figure(run, shapley):
    names = run.modalities
    series = [
        Bars(
            words,
            [shapley[kind]["contribution"].get(name) for name in names],
            color=list(range(len(names))),
            pale=kind == "features",
        )
        for kind, words in _KINDS.items()
        if kind in shapley
    ]
    return figures.bars("Shapley value of the accuracy", names, series)


def _table(run, shapley, values):
    kinds = {k: words for k, words in _KINDS.items() if k in shapley}
    rows = []
    for index, name in enumerate(run.modalities):
        found = [shapley[k]["contribution"].get(name) for k in kinds]
        cells = [number(value, signed=True) for value in found]
        if values:
            cells.append(number(values.get(name), scale=1.0, digits=2))
        rows.append([labelled(name, index), *cells])
    headings = ["modality", *kinds.values(), *(["valuation"] if values else [])]
    return table(headings, rows, class_="numbers")


def _degree(shapley):
    found = [
        f"{_plain(shapley[kind]['imbalance_degree'])} with {words}"
        for kind, words in _KINDS.items()
        if kind in shapley
    ]
    return _DEGREE.format(found=", ".join(found))


def _plain(degree):
    return "–" if degree is None else f"{degree:.2f}"


def _masked(analysis):
    masked = analysis.get("masked", {})
    features = analysis.get("masked_features", {})
    rows = [
        [
            together(key.split("+") if key else []),
            number(masked.get(key)),
            number(features.get(key)),
        ]
        for key in dict.fromkeys([*masked, *features])
    ]
    if not rows:
        return Html("")
    title = "Accuracy with some modalities present, the others set to zero"
    headings = ["present", *(f"{words}, %" for words in _KINDS.values())]
    found = table(headings, rows, class_="numbers")
    if len(rows) <= _SHOWN:
        return tag("div", tag("h3", title), found)
    return tag("details", tag("summary", title), found)
