"""Balanced multimodal learning for Keras 3.

Names are loaded when they are first used, so that `import keras_balance`, the
command line's help and its listings do not import Keras.
"""

import importlib

__version__ = "0.1.0"

_FOLDERS = (
    "callbacks",
    "data",
    "encoders",
    "evaluation",
    "fusions",
    "methods",
    "metrics",
    "models",
    "optimizers",
    "preprocessing",
)
_MODELS = {
    "BalancedModel": "keras_balance.models.balanced",
    "MultimodalModel": "keras_balance.models.multimodal",
}


def _public_classes():
    from keras_balance import methods

    return {**_MODELS, **methods.classes()}


def __getattr__(name):
    if name in _FOLDERS:
        return importlib.import_module(f"keras_balance.{name}")
    if name.startswith("_"):
        raise AttributeError(name)
    module = _public_classes().get(name)
    if module is None:
        raise AttributeError(
            f"module 'keras_balance' has no attribute '{name}'"
        )
    return getattr(importlib.import_module(module), name)


def __dir__():
    return sorted([*globals(), *_FOLDERS, *_public_classes()])
