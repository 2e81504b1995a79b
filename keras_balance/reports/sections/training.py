"""What happened while the model trained, epoch by epoch."""

from keras_balance.reports.figures import Line
from keras_balance.reports.figures import curves
from keras_balance.reports.page import join
from keras_balance.reports.page import section
from keras_balance.reports.page import tag

_PLAIN = ("epoch", "loss", "accuracy", "phase", "score_ratio", "not_own")
_SKIPPED = ("val_", "learning_rate")


def training(run):
    """Curves of loss, accuracy, and every trace of the method."""
    epochs = [row["epoch"] + 1 for row in run.history]
    selected = run.evaluation.get("selected_epoch")
    marked = None if selected is None else selected + 1

    def draw(title, lines, **options):
        return curves(title, epochs, lines, selected=marked, **options)

    figures = [
        draw("Loss", _pair(run, "loss")),
        draw("Accuracy, fused", _pair(run, "accuracy"), unit="%"),
        draw("Accuracy per modality", _accuracies(run), unit="%"),
        draw("Score per modality", _traces(run, "_score")),
        draw("Score ratio", _ratio(run), level=1.0),
        draw("Coefficient on the gradient", _traces(run, "_coefficient")),
        draw("Gradient norm of the encoder", _traces(run, "_gradient_norm")),
        *(
            draw(title, lines, unit=_unit(title))
            for title, lines in _others(run)
        ),
    ]
    lead = "Solid: validation, or a trace of the method. Dashed: training."
    if marked is not None:
        lead += f" The dotted line is the epoch evaluated, {marked}."
    others = sum("not_own" in row for row in run.history)
    if others:
        lead += (
            f" {others} of the {len(epochs)} epochs train something else "
            "(teachers, a branch that is undone): their predictions are not "
            "the method's, and they are not validated."
        )
    grid = tag("div", *figures, class_="figures")
    return section("Training", grid, lead=lead) if any(figures) else join([])


def _others(run):
    """Titles and lines of the traces that only some methods have."""
    known = ("_accuracy", "_score", "_coefficient", "_gradient_norm")
    found = {}
    for column in dict.fromkeys(key for row in run.history for key in row):
        index, rest = _of_modality(run, column)
        if rest in known or column in _PLAIN or column.startswith(_SKIPPED):
            continue
        title = rest.strip("_").replace("_", " ").capitalize()
        name = column
        if index is not None:
            name = run.modalities[index]
            title += " per modality"
        line = Line(name, _column(run, column), index)
        found.setdefault(title, []).append(line)
    return found.items()


def _unit(title):
    """Shares are shown in percent, whoever logs them."""
    return "%" if "accuracy" in title.lower() else ""


def _of_modality(run, column):
    """The modality that a column is of, the longest name first."""
    for name in sorted(run.modalities, key=len, reverse=True):
        if column.startswith(f"{name}_"):
            return run.modalities.index(name), column.removeprefix(name)
    return None, column


def _column(run, name):
    return [row.get(name) for row in run.history]


def _pair(run, name):
    return [
        Line("training", _column(run, name), dashed=True),
        Line("validation", _column(run, f"val_{name}")),
    ]


def _accuracies(run):
    lines = []
    for index, name in enumerate(run.modalities):
        own = _column(run, f"{name}_accuracy")
        held_out = _column(run, f"val_{name}_accuracy")
        lines.append(Line(f"{name}, training", own, index, dashed=True))
        lines.append(Line(f"{name}, validation", held_out, index))
    return lines


def _traces(run, suffix):
    return [
        Line(name, _column(run, f"{name}{suffix}"), index)
        for index, name in enumerate(run.modalities)
    ]


def _ratio(run):
    first, *others = run.modalities or [""]
    second = others[0] if len(others) == 1 else "mean of the others"
    text = f"{first} / {second}"
    return [Line(text, _column(run, "score_ratio"))]
