"""The one file that a killed run continues from.

It holds the model's and the optimizer's variables (random states included),
the history and the method's Python-side state. Shuffling follows from the
seed and the epoch and the learning rate from the epoch, so nothing else is
lost between two processes.
"""

import contextlib
import json
import zipfile
import zlib

import numpy as np

from keras_balance.atomic import replacing
from keras_balance.errors import UsageError

BROKEN = (
    ValueError,
    KeyError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextlib.contextmanager
def whole(path):
    """A block that reads a file of weights, which may be damaged.

    Raises:
        UsageError: it is, with what to do about it.
    """
    try:
        yield
    except BROKEN as error:
        raise UsageError(
            f"Expected a whole checkpoint. Received: {path} "
            f"({type(error).__name__}: {str(error)[:200]})",
            "copy it again from where the run was trained, or run the recipe "
            "again with another --out",
        ) from error


def save_state(path, model, history):
    """Write everything needed to continue after `len(history)` epochs.

    Args:
        path: the file, replaced atomically.
        model: a compiled model whose variables are up to date.
        history: list with one dict of floats per epoch.
    """
    document = {"history": history, "host": model.host_state()}
    arrays = {
        **_arrays("model", model.variables),
        **_arrays("optimizer", model.optimizer.variables),
        "document": np.array(json.dumps(document)),
    }
    with replacing(path) as part:
        np.savez(part, **arrays)


def load_state(path, model):
    """Continue from a state file: assign the variables, return the history.

    Raises:
        UsageError: the file belongs to another model, or is broken.
    """
    with whole(path), np.load(path) as file:
        document = json.loads(str(file["document"]))
        _assign(path, "model", model.variables, file)
        _assign(path, "optimizer", model.optimizer.variables, file)
    model.load_host_state(document["host"])
    return document["history"]


def save_weights(path, model):
    """Write the model's variables alone, atomically."""
    with replacing(path) as part:
        np.savez(part, **_arrays("model", model.variables))


def load_weights(path, model):
    """Assign what `save_weights` wrote.

    Raises:
        UsageError: as `load_state`.
    """
    with whole(path), np.load(path) as file:
        _assign(path, "model", model.variables, file)


def _arrays(prefix, variables):
    # Numbered: a variable's path depends on what the process built before.
    return {
        f"{prefix}/{index:04d}": np.asarray(variable)
        for index, variable in enumerate(variables)
    }


def _assign(path, prefix, variables, file):
    stored = sorted(name for name in file.files if name.startswith(prefix))
    shapes = [file[name].shape for name in stored]
    expected = [tuple(variable.shape) for variable in variables]
    if shapes != expected:
        raise UsageError(
            f"Expected the {len(expected)} {prefix} variables of this model. "
            f"Received: {path} with {len(shapes)} of other shapes",
            "it was written by another version: choose another --out",
        )
    for name, variable in zip(stored, variables, strict=True):
        variable.assign(file[name])
