"""Balanced multimodal learning for Keras 3.

Names are loaded when they are first used, so that `import keras_balance`, the
command line's help and its listings do not import Keras. Where Keras is
imported already, every class is registered at once, and
`keras.models.load_model` knows them.
"""

import importlib
import sys

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
    "reports",
)
_MODELS = {
    "BalancedModel": "keras_balance.models.balanced",
    "MultimodalModel": "keras_balance.models.multimodal",
}


# Modules whose classes Keras meets in saved models.
_SAVED = (
    "encoders.frames",
    "encoders.staged",
    "fusions.concat",
    "fusions.film",
    "fusions.gated",
    "fusions.late_mlp",
    "fusions.low_rank",
    "fusions.mean",
    "fusions.mid_mlp",
    "fusions.mmtm",
    "fusions.shared",
    "fusions.sum",
    "fusions.symmetric_film",
    "fusions.symmetric_gated",
    "fusions.transformer",
    "metrics.keras_calibration",
    "metrics.keras_macro_f1",
    "optimizers.coupled_weight_decay",
    "optimizers.gradient_noise",
    "optimizers.per_modality",
    "optimizers.update_scale",
    "preprocessing.frames",
    "preprocessing.images",
    "preprocessing.spectrogram",
)


def register():
    """Makes every class known to `keras.models.load_model`.

    Needed only where Keras is imported after this package and nothing of the
    package has been used yet.
    """
    for module in _SAVED:
        importlib.import_module(f"keras_balance.{module}")
    for module in set(_public_classes().values()):
        importlib.import_module(module)


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


if "keras" in sys.modules:
    register()
