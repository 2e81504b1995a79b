"""The model that every method extends."""

import importlib

_MODULES = {
    "BalancedModel": "keras_balance.models.balanced",
    "Batch": "keras_balance.models.batch",
    "MultimodalModel": "keras_balance.models.multimodal",
    "Outputs": "keras_balance.models.multimodal",
    "Update": "keras_balance.models.balanced",
}


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULES[name]), name)
