"""What is measured of a trained model, and written to its run folder."""

import time

from keras_balance.atomic import replacing
from keras_balance.atomic import write_json
from keras_balance.runs import recipe as recipes
from keras_balance.runs import stages
from keras_balance.runs.published import documents

SELECTION = {
    "validation": "the epoch with the highest accuracy on the validation part",
    "test": "the epoch with the highest accuracy on the TEST part, as the "
    "authors' code does: its test numbers are optimistic",
    "last": "the last epoch",
}


def monitor(config):
    """The log whose maximum selects the epoch; None for the last epoch."""
    return None if config.selection == "last" else "val_accuracy"


def evaluate(recipe, plan, folder, model, parts, history, clock):
    """Save the selected model, its outputs and evaluation.json."""
    from keras_balance.runs.state import load_weights

    load_weights(folder.best, model)
    with replacing(folder.model) as part:
        model.save(part)
    measure(recipe, plan, folder, model, parts, history, clock)


def measure(recipe, plan, folder, model, parts, history, clock):
    """Write outputs.npz and evaluation.json of a trained model.

    Args:
        recipe: the recipe's module.
        plan: `Plan`.
        folder: `RunFolder`.
        model: the model of the selected epoch.
        parts: `Parts`.
        history: list with one dict an epoch.
        clock: `Clock`.
    """
    import numpy as np

    import keras_balance as kb
    from keras_balance.evaluation.analysis import analyse
    from keras_balance.evaluation.summary import summarize

    classes = kb.data.get(recipes.info(plan.recipe).dataset).classes
    names = {"test": parts.test, "validation": parts.validation}
    outputs = {
        name: kb.evaluation.outputs(model, part) if part else None
        for name, part in names.items()
    }
    with replacing(folder.path / "outputs.npz") as part:
        np.savez(part, **outputs["test"])
    summaries = {
        name: found and summarize(found, classes, model.modalities)
        for name, found in outputs.items()
    }
    clock.stop("evaluate")
    analysis = analyse(
        model, {"train": _in_order(parts.train), **names}, outputs
    )
    clock.stop("analyse")
    document = {
        **_selected(plan.config, history),
        **summaries,
        "analysis": analysis,
        "published": documents(plan.recipe, plan.method),
        "notes": _notes(recipe, plan, parts),
        "seconds": clock.seconds,
    }
    write_json(folder.path / "evaluation.json", document)


def _selected(config, history):
    from keras_balance.runs.callbacks import best_epoch

    return {
        "split": "test",
        "selected_epoch": best_epoch(history, monitor(config)),
        "selection": SELECTION[config.selection],
    }


def _notes(recipe, plan, parts):
    notes = [f"Selected: {SELECTION[plan.config.selection]}."]
    notes += plan.without_effect()
    notes += [
        f"Trained before it: {name}, {before.path}."
        for name, before in stages.folders(recipe, plan).items()
    ]
    notes += dict.fromkeys(parts.notes)
    if plan.demo:
        notes.append(
            "Generated demonstration data: its numbers compare with no "
            "paper's. Overrides: " + ", ".join(plan.overrides)
        )
    return notes


def _in_order(train):
    """The training part as it is stored, not in the order of an epoch."""
    from keras_balance.data import BatchDataset

    return BatchDataset(train.prepared, train.indices, train.batch_size)


class Clock:
    """Seconds of each stage of this process; a resumed run has its own.

    Args:
        seconds: dict of what earlier stages took.
    """

    def __init__(self, seconds=None):
        self.seconds = dict(seconds or {})
        self._last = time.perf_counter()

    def stop(self, name):
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now
