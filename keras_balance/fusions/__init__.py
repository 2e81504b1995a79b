"""How the features of the modalities become one prediction.

A name for the model's `fusion` argument, or a layer to pass to it.
"""

import difflib
import importlib

_FUSIONS = {
    "concat": ("keras_balance.fusions.concat", "Concat"),
    "sum": ("keras_balance.fusions.sum", "Sum"),
    "film": ("keras_balance.fusions.film", "FiLM"),
    "gated": ("keras_balance.fusions.gated", "Gated"),
    "late-linear": ("keras_balance.fusions.concat", "Concat"),
    "late-mlp": ("keras_balance.fusions.late_mlp", "LateMLP"),
    "low-rank": ("keras_balance.fusions.low_rank", "LowRank"),
    "mean": ("keras_balance.fusions.mean", "Mean"),
    "mid-mlp": ("keras_balance.fusions.mid_mlp", "MidMLP"),
    "shared": ("keras_balance.fusions.shared", "Shared"),
    "symmetric-film": ("keras_balance.fusions.symmetric_film", "SymmetricFiLM"),
    "symmetric-gated": (
        "keras_balance.fusions.symmetric_gated",
        "SymmetricGated",
    ),
    "transformer": ("keras_balance.fusions.transformer", "Transformer"),
}
_CLASSES = {class_name: module for module, class_name in _FUSIONS.values()}
_CLASSES["Fusion"] = "keras_balance.fusions.fusion"
_CLASSES["LinearHead"] = "keras_balance.fusions.concat"


def names():
    """The names that `get` knows."""
    return list(_FUSIONS)


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
    if not isinstance(identifier, str) or identifier not in _FUSIONS:
        near = difflib.get_close_matches(str(identifier).lower(), _FUSIONS, n=1)
        nearest = f". Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"fusion must be one of {', '.join(_FUSIONS)}, or a "
            "keras_balance.fusions layer. Received: "
            f"fusion={identifier!r}{nearest}"
        )
    module, class_name = _FUSIONS[identifier]
    return getattr(importlib.import_module(module), class_name)(**kwargs)


def __getattr__(name):
    if name not in _CLASSES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_CLASSES[name]), name)
