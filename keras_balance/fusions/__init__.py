"""How the features of the modalities become one prediction.

A name for the model's `fusion` argument, or a layer to pass to it.
"""

import importlib

from keras_balance.registry import Registry

_FUSIONS = Registry(
    "fusion", __name__, otherwise=", or a keras_balance.fusions layer"
)
_BASES = {
    "Fusion": "keras_balance.fusions.fusion",
    "LinearHead": "keras_balance.fusions.concat",
}


def names():
    """The names that `get` knows."""
    return _FUSIONS.names()


def get(identifier, **kwargs):
    """A fusion layer from its name.

    Args:
        identifier: one of `names()`, or a `Fusion`, which is returned as is.
        **kwargs: arguments of the fusion's class.

    Raises:
        ValueError: where the name is unknown.
    """
    from keras_balance.fusions.fusion import Fusion

    if isinstance(identifier, Fusion):
        return identifier
    return _FUSIONS.get(identifier).load()(**kwargs)


def register(name, fusion):
    """Adds a fusion of another package to this process, by its name.

    Args:
        name: the new name.
        fusion: subclass of `Fusion`.

    Raises:
        ValueError: the name is taken.
    """
    _FUSIONS.register(name, fusion)


def __getattr__(name):
    if name in _BASES:
        return getattr(importlib.import_module(_BASES[name]), name)
    for entry in map(_FUSIONS.get, names()):
        if entry.attribute == name:
            return entry.load()
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
