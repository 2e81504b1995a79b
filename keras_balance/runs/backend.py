"""Which backend a run uses, decided before Keras is imported."""

import importlib.util
import json
import os
import pathlib

from keras_balance.errors import UsageError
from keras_balance.runs.config import unknown

BACKENDS = ("tensorflow", "jax", "torch")


def installed():
    """The installed backends, in the order they are preferred."""
    return [name for name in BACKENDS if importlib.util.find_spec(name)]


def choose(option=None):
    """The backend and why: `--backend`, KERAS_BACKEND, keras.json, installed.

    Args:
        option: the value of `--backend`, or None.

    Returns:
        `(name, reason)`.

    Raises:
        UsageError: an unknown backend, or one that is not installed.
    """
    found = installed()
    variable = os.environ.get("KERAS_BACKEND")
    if option or variable:
        source = "--backend" if option else "KERAS_BACKEND"
        name = option or variable
        if name not in BACKENDS:
            raise unknown(source, name, BACKENDS)
        if name not in found:
            raise UsageError(
                f"Expected an installed backend ({', '.join(found) or 'none'} "
                f"found). Received: {source}={name}",
                f'pip install "keras-balance[{name}]"',
            )
        return name, f"chosen by {source}"
    configured = _keras_json()
    if configured in found:
        return configured, "chosen by keras.json"
    if found:
        return found[0], "the first one installed"
    raise UsageError(
        "Expected one of TensorFlow, JAX and PyTorch, found none.",
        'pip install "keras-balance[jax]"',
    )


def _keras_json():
    home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    try:
        text = pathlib.Path(home, "keras.json").read_text()
        return json.loads(text).get("backend")
    except (OSError, ValueError, AttributeError):
        return None


def start(name):
    """Import Keras on the backend `name`, with the image layout it prefers.

    PyTorch convolves channels first; TensorFlow on a CPU cannot, and XLA
    picks its own layout.
    """
    os.environ["KERAS_BACKEND"] = name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    if keras.config.backend() != name:
        raise RuntimeError(
            f"Expected Keras on {name}: it was imported before on "
            f"{keras.config.backend()}."
        )
    layout = "channels_first" if name == "torch" else "channels_last"
    keras.config.set_image_data_format(layout)
