"""This run beside what was printed: a table for each protocol."""

from keras_balance.reports.page import Html
from keras_balance.reports.page import join
from keras_balance.reports.page import number
from keras_balance.reports.page import section
from keras_balance.reports.page import table
from keras_balance.reports.page import tag
from keras_balance.runs.finished import METRICS
from keras_balance.runs.published import changes_beside
from keras_balance.runs.published import is_of
from keras_balance.runs.published import lines

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
    """The published numbers of the method; of a demo, without a comparison."""
    entries = run.evaluation.get("published", [])
    if not entries:
        return Html("")
    protocols = {}
    for entry in entries:
        key = (entry["protocol"], entry["source"])
        protocols.setdefault(key, []).append(entry)
    own = [entry for entry in entries if is_of(entry, run)]
    changed = all(changes_beside(e, run) for e in own) if own else run.changes
    lead = _DEMO if run.config["demo"] else _CHANGED if changed else _SAME
    parts = [
        part
        for (protocol, source), own in protocols.items()
        for part in (tag("p", f"{protocol} ({source}):"), _table(own, run))
    ]
    return section("Published numbers", *parts, lead=lead)


def _table(entries, run):
    metrics = list(dict.fromkeys(entry["metric"] for entry in entries))
    # What is nearest to this run comes first.
    found = sorted(
        lines(entries),
        key=lambda line: not any(is_of(e, run) for e in line.values()),
    )
    headings, rows = ["method and settings"], []
    for metric in metrics:
        name = METRICS.get(metric, metric)
        headings.append(f"{name}, printed")
        headings += [] if run.config["demo"] else ["this run", "difference"]
    for line in found:
        cells = [_name(next(iter(line.values())))]
        for metric in metrics:
            cells += _cells(line.get(metric), run)
        rows.append(cells)
    return table(headings, rows, class_="published")


def _name(entry):
    name = " ".join([entry["method"], *entry["settings"]])
    told = [] if entry["status"] == "run" else [f"not run: {entry['status']}"]
    texts = [entry["table"], *told]
    return join([name, tag("small", "; ".join(texts))])


def _cells(entry, run):
    """Cells "printed", "this run" and "difference" of a metric."""
    demo = run.config["demo"]
    if entry is None:
        return [""] if demo else ["", "", ""]
    digits = _digits(entry)
    value = number(entry["value"], scale=1.0, digits=digits)
    printed = join([value, _unit(entry)])
    return [printed] if demo else [printed, *_comparison(entry, run)]


def _comparison(entry, run):
    """Cells "this run" and "difference"; dashes for what is not of the run."""
    part = "" if entry["part"] == "fused" else f"{entry['part']}_"
    measured = run.measured(part + entry["metric"])
    if measured is None or not is_of(entry, run):
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
    if tolerance is None or changes_beside(entry, run):
        return ""
    word = "within" if abs(difference) <= tolerance else "outside"
    return f"{word} ±{tolerance:g}"


def _digits(entry):
    return 1 if _in_percent(entry) else 3


def _in_percent(entry):
    return entry.get("unit") in ("%", "percent")


def _unit(entry):
    return " %" if _in_percent(entry) else ""
