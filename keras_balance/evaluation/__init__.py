"""From a trained model to numbers: outputs, their summary, the analysis.

Importing this package does not import Keras.
"""

import importlib

# Bound here, not lazily: the function shares its module's name, and a later
# import of the module would otherwise put the module in the function's place.
from keras_balance.evaluation.outputs import outputs

_HOMES = {
    "analyse": "analysis",
    "summarize": "summary",
}

__all__ = ["outputs", *_HOMES]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, name)


def __dir__():
    return sorted(__all__)
