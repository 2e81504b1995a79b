"""The runner: data, model, fit, selection, evaluation."""

import traceback

from keras_balance.atomic import room
from keras_balance.atomic import write_json
from keras_balance.errors import UsageError
from keras_balance.runs import backend
from keras_balance.runs import recipe as recipes
from keras_balance.runs import stages
from keras_balance.runs.checks import no_validation
from keras_balance.runs.measure import Clock
from keras_balance.runs.measure import evaluate
from keras_balance.runs.measure import monitor


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
        UsageError: wrong use, data that are missing or broken, a folder that
            another process is using, or a full disk.
        RunFailed: anything else; the traceback is in error.log.
    """
    folder = plan.folder()
    folder.check(plan.document(), resume)
    with folder.claimed():
        # Another process may have used it since.
        folder.check(plan.document(), resume)
        if resume and not folder.used:
            screen.line(f"nothing to continue in {folder.path}: a new run")
        if folder.complete:
            screen.line(f"already complete: {folder.path}")
        else:
            _run_or_log(plan, folder, screen, argv)
    return folder


def _run_or_log(plan, folder, screen, argv):
    try:
        with room(folder.path):
            _run(plan, folder, screen, argv)
    except UsageError:
        raise
    except Exception as error:
        with room(folder.path):
            text = traceback.format_exc()
            folder.error_log.write_text(text, encoding="utf-8")
        raise RunFailed(error, folder.error_log) from error


def _run(plan, folder, screen, argv):
    backend.start(plan.backend)
    from keras_balance.runs import build
    from keras_balance.runs import environment
    from keras_balance.runs import source

    recipe = recipes.load(plan.recipe)
    clock = Clock()
    model, used = build.create(recipe, plan, stages.folders(recipe, plan))
    parts = source.load(recipe, plan, screen.step)
    clock.stop("prepare")
    watched = _watched(plan.config, parts)
    build.finish(model, parts)
    described = environment.describe(plan.backend, parts.prepared.checksum)
    folder.check_data(described["data_checksum"])
    folder.start(
        {
            **plan.document(),
            **plan.places(),
            "method_used": used,
            "argv": list(argv),
        }
    )
    write_json(folder.environment, described)
    history = fit(recipe, plan, folder, model, parts, watched, screen)
    clock.stop("fit")
    screen.line("evaluating")
    evaluate(recipe, plan, folder, model, parts, history, clock)


def _watched(config, parts):
    """The part whose accuracy selects the epoch; None for the last epoch."""
    watched = {
        "validation": parts.validation,
        "test": parts.test,
        "last": parts.validation,
    }[config.selection]
    if watched is None and config.selection != "last":
        raise no_validation()
    return watched


def fit(recipe, plan, folder, model, parts, watched, screen):
    """Train what is left of the epochs; returns the whole history."""
    import keras

    from keras_balance.runs import callbacks
    from keras_balance.runs.state import load_state

    config, train = plan.config, parts.train
    history = load_state(folder.state, model) if folder.state.is_file() else []
    if history:
        screen.line(f"continuing after epoch {len(history)}/{config.epochs}")
    state = callbacks.StateFile(folder, history, monitor(config))

    def rate(epoch):
        # Teachers have the whole schedule, and so has what they teach.
        first, count = model.schedule_span(config.epochs)
        place = (epoch - first) * config.epochs // count
        return float(recipe.learning_rate(config, place))

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
                keras.callbacks.LearningRateScheduler(rate),
                callbacks.Monitor(
                    folder, screen, train, parts.validation, config.probe_every
                ),
                callbacks.Progress(screen, config.epochs, len(train)),
                *callbacks.tensorboard(folder),
                state,
            ],
        )
    callbacks.write_history(folder.path, state.history)
    return state.history
