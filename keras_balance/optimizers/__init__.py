"""Optimizers that wrap any Keras optimizer."""

import importlib

_NAMES = {
    "CoupledWeightDecay": "coupled_weight_decay",
    "GradientNoise": "gradient_noise",
    "PerModality": "per_modality",
    "UpdateScale": "update_scale",
    "coupled_decay": "coupled_weight_decay",
    "flat_filter": "projections",
    "next_projection": "projections",
    "restart": "slots",
    "sam_perturbation": "sharpness",
    "scale_update": "update_scale",
    "tensor_noise": "gradient_noise",
}


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    module = importlib.import_module(f"{__name__}.{_NAMES[name]}")
    return getattr(module, name)


def __dir__():
    return sorted([*globals(), *_NAMES])
