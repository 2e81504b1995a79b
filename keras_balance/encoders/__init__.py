"""Encoders: functional Keras models, one modality -> (batch, features)."""

import importlib

from keras_balance.registry import Registry

_ENCODERS = Registry("encoder", __name__)
_OTHERS = {
    "KerasHubMissing": "resnet",
    "OverFrames": "frames",
    "Staged": "staged",
}


def names():
    """List the names that `get` knows."""
    return _ENCODERS.names()


def get(name):
    """Return the function that builds the encoder called `name`.

    Raises:
        ValueError: no encoder has that name.
    """
    return _ENCODERS.get(name).load()


def register(name, encoder):
    """Add an encoder of another package to this process, by its name.

    Args:
        name: the new name.
        encoder: function of an input shape, as those of this package.

    Raises:
        ValueError: the name is taken.
    """
    _ENCODERS.register(name, encoder)


def __getattr__(name):
    if name in _OTHERS:
        module = importlib.import_module(f"{__name__}.{_OTHERS[name]}")
        return getattr(module, name)
    if not name.startswith("_") and name in names():
        return get(name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__():
    return sorted([*globals(), *names(), *_OTHERS])
