"""What was run, and its numbers on the test split."""

from keras_balance.evaluation import svg
from keras_balance.evaluation.page import Html
from keras_balance.evaluation.page import bullets
from keras_balance.evaluation.page import join
from keras_balance.evaluation.page import number
from keras_balance.evaluation.page import section
from keras_balance.evaluation.page import table
from keras_balance.evaluation.page import tag
from keras_balance.evaluation.run import METRICS


def headline(run):
    """Title, warnings, test numbers fused and per modality."""
    return join([_title(run), _warnings(run), _numbers(run)])


def _title(run):
    config, evaluation = run.config, run.evaluation
    epochs = len(run.history)
    selected = evaluation.get("selected_epoch")
    text = f"Trained for {epochs} epoch{'s' if epochs > 1 else ''}"
    if selected is not None:
        text += f"; evaluated at epoch {selected + 1}"
        rule = evaluation.get("selection")
        text += f", selected as {rule}" if rule else ""
    return tag(
        "header",
        tag(
            "p",
            f"variant {config['variant']} · {config['backend']} · "
            f"seed {config['seed']}",
            class_="eyebrow",
        ),
        tag("h1", f"{config['method']} on {config['recipe']}"),
        tag("p", f"{text}.", class_="summary"),
    )


def _warnings(run):
    pieces = []
    if run.config["demo"]:
        pieces.append(_demo(run.config.get("demo_overrides", [])))
    if run.changes:
        text = "Settings changed on the command line: "
        pieces.append(_note(text + ", ".join(run.changes) + "."))
    return join(pieces)


def _demo(overrides):
    text = (
        "This is a demonstration on a small generated data set. Its numbers "
        "say nothing about the method and cannot be compared with published "
        "ones."
    )
    if not overrides:
        return _note(text)
    return _note(
        text + " It replaced these settings of the recipe:",
        bullets([tag("code", override) for override in overrides]),
    )


def _note(text, *more):
    return tag("div", tag("p", text), *more, class_="note")


def _numbers(run):
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
        _per_modality(run) if test["per_modality"] else Html(""),
        lead=_lead(test),
    )


def _lead(test):
    samples, classes = test["samples"], len(test["class_names"])
    largest = max(map(sum, test["confusion"])) / samples
    return (
        f"{samples} samples, {classes} classes. Always naming the most "
        f"frequent class would be right {100 * largest:.1f} % of the time."
    )


def _per_modality(run):
    test = run.evaluation["test"]
    rows = [[_key("fused", None), *_cells(test)]]
    for index, name in enumerate(run.modalities):
        if name in test["per_modality"]:
            own = test["per_modality"][name]
            rows.append([_key(name, index), *_cells(own)])
    return join(
        [
            table(
                ["prediction", *(f"{name}, %" for name in METRICS.values())],
                rows,
                class_="numbers",
            ),
            tag(
                "p",
                "A modality's row is read from the logits that this model "
                "gives that modality alone; it is not a model trained on one "
                "modality.",
                class_="lead",
            ),
        ]
    )


def _cells(scores):
    return [number(scores[key]) for key in METRICS]


def _key(name, color):
    style = f"--color: {svg.variable(color)}"
    return join([tag("i", class_="key", style=style), name])
