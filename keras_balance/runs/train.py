"""The runner: data, model, fit, selection, evaluation, report."""

import time
import traceback

from keras_balance.errors import UsageError
from keras_balance.runs import backend
from keras_balance.runs import recipe as recipes
from keras_balance.runs.folder import replacing
from keras_balance.runs.folder import write_json
from keras_balance.runs.published import published

SELECTION = {
    "validation": "the epoch with the highest accuracy on the validation part",
    "test": "the epoch with the highest accuracy on the TEST part, as the "
    "authors' code does: its test numbers are optimistic",
    "last": "the last epoch",
}


class RunFailed(Exception):
    """A run that broke off: exit code 1.

    Args:
        error: the exception.
        log: path of the file with the traceback.
    """

    def __init__(self, error, log):
        text = " ".join(str(error).split())[:600]
        super().__init__(
            f"The run failed: {type(error).__name__}: {text} "
            f"(the traceback is in {log})"
        )


def run(plan, resume, screen, argv=()):
    """Train and evaluate one plan in this process.

    Args:
        plan: `Plan`.
        resume: whether a started run folder is continued.
        screen: where progress is shown: `line(text)`, `step(done, total,
            description)`.
        argv: the command line, for config.json.

    Returns:
        The `RunFolder`.

    Raises:
        UsageError: wrong use, or data that are missing or broken.
        RunFailed: anything else; the traceback is in error.log.
    """
    folder = plan.folder()
    folder.check(plan.document(), resume)
    if folder.complete:
        screen.line(f"already complete: {folder.path}")
        return folder
    try:
        _run(plan, folder, screen, argv)
    except UsageError:
        raise
    except Exception as error:
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.error_log.write_text(traceback.format_exc(), encoding="utf-8")
        raise RunFailed(error, folder.error_log) from error
    return folder


def _run(plan, folder, screen, argv):
    backend.start(plan.backend)
    import keras

    from keras_balance.runs import environment
    from keras_balance.runs import source

    recipe = recipes.load(plan.recipe)
    clock = _Clock()
    parts = source.load(recipe, plan, screen.step)
    clock.stop("prepare")
    keras.utils.set_random_seed(plan.seed)
    watched = _watched(plan.config, parts)
    model, used = build(recipe, plan, parts)
    described = environment.describe(plan.backend, parts.prepared.checksum)
    folder.check_data(described["data_checksum"])
    folder.start({**plan.document(), "method_used": used, "argv": list(argv)})
    write_json(folder.environment, described)
    history = fit(recipe, plan, folder, model, parts.train, watched, screen)
    clock.stop("fit")
    screen.line("evaluating")
    evaluate(recipe, plan, folder, model, parts, history, clock)
    from keras_balance.evaluation.report import write_report

    write_report(folder.path)


def build(recipe, plan, parts):
    """The compiled model with every variable, the optimizer's too.

    Returns:
        `(model, used)`, `used` being the method's arguments.
    """
    import keras_balance as kb
    from keras_balance.runs import method

    config = plan.config
    used = method.arguments(
        plan.method,
        {
            "variant": plan.variant,
            "modality": config.modality,
            **recipe.arguments(config, plan.method),
        },
        plan.method_arguments,
    )
    try:
        model = kb.methods.create(
            plan.method,
            num_classes=len(kb.data.get(recipe.INFO.dataset).CLASSES),
            **_network(recipe, config),
            **used,
        )
    except ValueError as error:
        # What a constructor refuses is a setting: a fusion, an alpha.
        raise UsageError(str(error)) from error
    model.compile(optimizer=recipe.optimizer(config), metrics=["accuracy"])
    inputs, _ = parts.train[0]
    model.build({name: (None, *x.shape[1:]) for name, x in inputs.items()})
    model.optimizer.build(model.trainable_variables)
    return model, used


def _network(recipe, config):
    from keras_balance.encoders import KerasHubMissing

    try:
        return recipe.network(config)
    except KerasHubMissing as error:
        raise UsageError(
            str(error).partition(" Install it")[0],
            'pip install "keras-balance[encoders]"',
        ) from error


def _watched(config, parts):
    """The part whose accuracy selects the epoch; None for the last epoch."""
    watched = {
        "validation": parts.validation,
        "test": parts.test,
        "last": parts.validation,
    }[config.selection]
    if watched is None and config.selection != "last":
        raise UsageError(
            "Expected a validation part to select the epoch by. Received: "
            "an empty one with selection=validation",
            "--set validation=0.1, or --set selection=last",
        )
    return watched


def _monitor(config):
    return None if config.selection == "last" else "val_accuracy"


def fit(recipe, plan, folder, model, train, watched, screen):
    """Train what is left of the epochs; returns the whole history."""
    import keras

    from keras_balance.runs import callbacks
    from keras_balance.runs.state import load_state

    config = plan.config
    history = load_state(folder.state, model) if folder.state.is_file() else []
    if history:
        screen.line(f"continuing after epoch {len(history)}/{config.epochs}")
    state = callbacks.StateFile(folder, history, _monitor(config))
    if len(history) < config.epochs:
        model.fit(
            train,
            validation_data=watched,
            epochs=config.epochs,
            initial_epoch=len(history),
            shuffle=False,
            verbose=0,
            callbacks=[
                callbacks.SetEpoch(train, plan.seed),
                keras.callbacks.LearningRateScheduler(
                    lambda epoch: float(recipe.learning_rate(config, epoch))
                ),
                callbacks.Progress(screen, config.epochs, len(train)),
                *callbacks.tensorboard(folder),
                state,
            ],
        )
    callbacks.write_history(folder.path, state.history)
    return state.history


def evaluate(recipe, plan, folder, model, parts, history, clock):
    """Save the selected model, its outputs and evaluation.json."""
    import numpy as np

    import keras_balance as kb
    from keras_balance.evaluation.summary import summarize
    from keras_balance.runs.callbacks import best_epoch
    from keras_balance.runs.state import load_weights

    config = plan.config
    load_weights(folder.best, model)
    with replacing(folder.path / "model.keras") as part:
        model.save(part)
    classes = kb.data.get(recipe.INFO.dataset).CLASSES
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
    notes = [f"Selected: {SELECTION[config.selection]}."]
    notes += dict.fromkeys(parts.notes)
    if plan.demo:
        notes.append(
            "Generated demonstration data: its numbers compare with no "
            "paper's. Overrides: " + ", ".join(plan.overrides)
        )
    document = {
        "split": "test",
        "selected_epoch": best_epoch(history, _monitor(config)),
        "selection": SELECTION[config.selection],
        **summaries,
        "published": published(plan.recipe, plan.label),
        "notes": notes,
        "seconds": clock.seconds,
    }
    write_json(folder.path / "evaluation.json", document)


class _Clock:
    """Seconds of each stage of this process; a resumed run has its own."""

    def __init__(self):
        self.seconds = {}
        self._last = time.perf_counter()

    def stop(self, name):
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now
