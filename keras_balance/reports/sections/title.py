"""What was run, and what a reader must know before any number."""

from keras_balance.reports.page import bullets
from keras_balance.reports.page import join
from keras_balance.reports.page import tag


def title(run):
    """The title, and warnings about a demo or changed settings."""
    return join([_header(run), _warnings(run)])


def _header(run):
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
