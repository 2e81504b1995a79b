"""This run beside what was printed, each number with its protocol."""

from keras_balance.reports.page import Html
from keras_balance.reports.page import join
from keras_balance.reports.page import number
from keras_balance.reports.page import section
from keras_balance.reports.page import table
from keras_balance.reports.page import tag
from keras_balance.runs.finished import METRICS

_DEMO = (
    "A demonstration run cannot be compared with these; they are what the "
    "full recipe aims at."
)
_CHANGED = (
    "This run changed settings of the recipe: a difference says nothing "
    "about whether the recipe reproduces the number."
)
_SAME = (
    "One run has one seed; papers rarely say how many they ran. Read a "
    "difference with the protocol beside it."
)


def published(run):
    """The published numbers of the recipe; of a demo, without a comparison."""
    entries = run.evaluation.get("published", [])
    if not entries:
        return Html("")
    demo = run.config["demo"]
    # What is nearest to this run comes first.
    ordered = sorted(entries, key=lambda entry: not is_of(entry, run))
    headings = ["method and protocol", "metric", "published"]
    if not demo:
        headings += ["this run", "difference"]
    rows = [
        [
            _name(entry),
            METRICS.get(entry["metric"], entry["metric"]),
            _value(entry),
            *([] if demo else _comparison(entry, run)),
        ]
        for entry in ordered
    ]
    lead = _DEMO if demo else _CHANGED if run.changes else _SAME
    return section(
        "Published numbers",
        table(headings, rows, class_="published"),
        lead=lead,
    )


def is_of(entry, run):
    """Whether an entry has the method, and the settings, of the run."""
    config = run.config
    wanted = entry.get("config", {})
    same = all(config["config"].get(k) == v for k, v in wanted.items())
    return same and entry["method"] == config["method"]


def _is_comparable(entry, run):
    """Whether the entry alone is of the run: not one of several settings."""
    of_run = [
        other
        for other in run.evaluation["published"]
        if is_of(other, run) and other["metric"] == entry["metric"]
    ]
    return of_run == [entry]


def _name(entry):
    # One cell, so that no screen is too narrow to show both.
    setting = entry.get("setting")
    name = f"{entry['method']}, {setting}" if setting else entry["method"]
    text = f"{entry['protocol']} ({entry['source']})"
    return join([name, tag("small", text)])


def _value(entry):
    value = number(entry["value"], scale=1.0, digits=_digits(entry))
    return join([value, _unit(entry)])


def _comparison(entry, run):
    """Cells "this run" and "difference"; dashes for what is not of the run."""
    measured = run.measured(entry["metric"])
    if measured is None or not _is_comparable(entry, run):
        return [number(None), number(None)]
    scale = 100.0 if _in_percent(entry) else 1.0
    difference = scale * measured - entry["value"]
    digits = _digits(entry)
    own = number(measured, scale=scale, digits=digits)
    apart = number(difference, scale=1.0, digits=digits, signed=True)
    return [
        join([own, _unit(entry)]),
        join([apart, tag("small", _verdict(entry, difference, run))]),
    ]


def _verdict(entry, difference, run):
    tolerance = entry.get("tolerance")
    if tolerance is None or run.changes:
        return ""
    word = "within" if abs(difference) <= tolerance else "outside"
    return f"{word} ±{tolerance:g}"


def _digits(entry):
    return 1 if _in_percent(entry) else 3


def _in_percent(entry):
    return entry.get("unit") in ("%", "percent")


def _unit(entry):
    return " %" if _in_percent(entry) else ""
