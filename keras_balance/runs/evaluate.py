"""The evaluation of a run once more, from its folder."""

import pathlib

from keras_balance.atomic import read_json
from keras_balance.atomic import room
from keras_balance.errors import UsageError
from keras_balance.runs import backend
from keras_balance.runs import recipe as recipes
from keras_balance.runs.documents import read_document
from keras_balance.runs.documents import read_history
from keras_balance.runs.folder import RunFolder
from keras_balance.runs.measure import Clock
from keras_balance.runs.measure import measure
from keras_balance.runs.recorded import recorded_plan


def evaluate_run(folder, screen, data_dir=None, cache_dir=None):
    """Evaluate a trained run again, from its checkpoint.

    Replaces outputs.npz and evaluation.json; what training wrote
    stays as it is.

    Args:
        folder: path of the run folder.
        screen: where progress is shown: `line(text)`, `step(done, total,
            description)`.
        data_dir: folder of the data set, or None for the recorded one.
        cache_dir: folder of prepared data, or None for the recorded one.

    Returns:
        The `RunFolder`.

    Raises:
        UsageError: no run folder, one of another version, a run that is not
            trained to its end or has no whole checkpoint, or other data than
            it was trained with.
    """
    plan = recorded_plan(folder, data_dir=data_dir, cache_dir=cache_dir)
    folder = RunFolder.at(folder)
    with folder.claimed(), room(folder.path):
        _evaluate(plan, folder, screen)
    return folder


def _evaluate(plan, folder, screen):
    history = _whole_history(folder, plan.config)
    recorded = read_document(folder.environment, ("data_checksum",))
    _check_places(folder, plan)
    backend.choose(plan.backend)
    backend.start(plan.backend)
    from keras_balance.runs import source

    recipe = recipes.load(plan.recipe)
    parts = source.load(recipe, plan, screen.step)
    _check_data(folder, recorded["data_checksum"], parts.prepared.checksum)
    model = _trained(recipe, plan, folder, parts)
    screen.line("evaluating")
    clock = Clock(_earlier_seconds(folder))
    measure(recipe, plan, folder, model, parts, history, clock)


def _whole_history(folder, config):
    history = read_history(folder.path)
    if len(history) < config.epochs:
        raise UsageError(
            f"Expected a run that is trained to its end. Received: "
            f"{folder.path} with {len(history)} of {config.epochs} epochs",
            "run the recipe again with --resume and the same options",
        )
    return history


def _check_places(folder, plan):
    """Refuse a run whose checkpoint or data are not where they were."""
    if not (folder.best.is_file() or _saved(folder).is_file()):
        raise UsageError(
            f"Expected {folder.best.relative_to(folder.path)} or "
            f"{_saved(folder).name} in the run folder. Received: "
            f"{folder.path} without a checkpoint",
            "copy it from where the run was trained, or run the recipe again",
        )
    if plan.demo or (plan.data_dir and pathlib.Path(plan.data_dir).is_dir()):
        return
    raise UsageError(
        f"Expected the data that {folder.path} was trained with. Received: "
        f"data_dir={plan.data_dir}, no folder",
        f"keras-balance evaluate {folder.path} --data-dir DIR",
    )


def _check_data(folder, before, now):
    if before != now:
        raise UsageError(
            f"Expected the data that {folder.path} was trained with, checksum "
            f"{before[:10]}. Received: checksum {now[:10]}",
            "restore the data set, or give its folder by --data-dir",
        )


def _trained(recipe, plan, folder, parts):
    """The model of the selected epoch, as it was at the end of the run."""
    from keras_balance.runs import build
    from keras_balance.runs.state import load_state
    from keras_balance.runs.state import load_weights
    from keras_balance.runs.state import whole

    model, _ = build.create(recipe, plan)
    build.finish(model, parts)
    if folder.state.is_file():
        # What a method keeps in Python is there alone.
        load_state(folder.state, model)
    if folder.best.is_file():
        load_weights(folder.best, model)
    else:
        with whole(_saved(folder)):
            model.load_weights(_saved(folder))
    return model


def _saved(folder):
    return folder.path / "model.keras"


def _earlier_seconds(folder):
    """What preparing and training took, where the run got that far."""
    path = folder.path / "evaluation.json"
    try:
        return read_json(path)["seconds"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
