"""The figures of a comparison."""

import statistics

from keras_balance.reports import figures
from keras_balance.reports.figures import Bars
from keras_balance.reports.figures import Line
from keras_balance.reports.page import Html
from keras_balance.reports.page import tag

# Solid in each colour, then dashed: more lines cannot be told apart.
_LINES = 12
_COLORS = 6


def comparison_figures(group):
    """Accuracy of each seed, and means per modality, of a `Group`.

    Args:
        group: `Group`.

    Returns:
        `Html`: what its runs have of the accuracy of each seed, the accuracy
        per modality, the Shapley values and the score ratio over training.
    """
    accuracies = [(row.name, row.values("accuracy")) for row in group.rows]
    wide = [
        figures.spread("Test accuracy of each seed", accuracies, group.title),
        _accuracies(group),
        _contributions(group),
    ]
    ratio = _score_ratio(group)
    return tag("div", *wide, ratio)


def _modalities(group):
    named = [name for row in group.rows for name in row.runs[0].modalities]
    return list(dict.fromkeys(named))


def _means(group, metric):
    return [row.statistics(metric)["mean"] for row in group.rows]


def _accuracies(group):
    """Bars of the fused accuracy and of each modality's own."""
    series = [("fused", "accuracy", None)] + [
        (name, f"{name}_accuracy", index)
        for index, name in enumerate(_modalities(group))
    ]
    title = "Test accuracy, fused and per modality"
    return figures.bars(
        title,
        [row.name for row in group.rows],
        [
            Bars(
                name,
                _means(group, metric),
                color,
                errors=[row.statistics(metric)["std"] for row in group.rows],
            )
            for name, metric, color in series
        ],
        alone=f"{title}: {group.title}",
        class_="wide",
    )


def _contributions(group):
    """Shapley values stacked: they add up to what the model gains."""
    title = "Shapley values of the accuracy, inputs set to zero"
    return figures.bars(
        title,
        [row.name for row in group.rows],
        [
            Bars(name, _means(group, f"{name}_contribution"), index)
            for index, name in enumerate(_modalities(group))
        ],
        stacked=True,
        alone=f"{title}: {group.title}",
        class_="wide",
    )


def _score_ratio(group):
    """The score ratio of every method over training, mean over the seeds."""
    rows = [(row.name, _ratios(row)) for row in group.rows]
    found = [
        (name, ratios)
        for name, ratios in rows
        if any(value is not None for value in ratios)
    ]
    if not found:
        return Html("")
    lines = [
        Line(
            name,
            ratios,
            index % _COLORS,
            dashed=index >= _COLORS,
            across=list(range(1, len(ratios) + 1)),
        )
        for index, (name, ratios) in enumerate(found[:_LINES])
    ]
    title = "Score ratio over training"
    if len(found) > _LINES:
        title += f", the first {_LINES} rows"
    return figures.curves(
        title,
        max((line.across for line in lines), key=len),
        lines,
        level=1.0,
        alone=f"{title}: {group.title}",
        class_="wide",
    )


def _ratios(row):
    """The mean of an epoch over the seeds that have it."""
    epochs = max(len(run.history) for run in row.runs)
    return [_mean_of_epoch(row, epoch) for epoch in range(epochs)]


def _mean_of_epoch(row, epoch):
    values = [
        run.history[epoch].get("score_ratio")
        for run in row.runs
        if epoch < len(run.history)
    ]
    values = [value for value in values if value is not None]
    return statistics.fmean(values) if values else None
