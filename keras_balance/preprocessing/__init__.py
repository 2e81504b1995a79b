"""Layers that turn stored arrays into what encoders read.

They run inside the model, compiled, in float32 on every backend.
"""

import importlib

_NAMES = {
    "FrameAugmentation": "frames",
    "ImageScale": "images",
    "LogSpectrogram": "spectrogram",
}


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    module = importlib.import_module(f"{__name__}.{_NAMES[name]}")
    return getattr(module, name)


def __dir__():
    return sorted([*globals(), *_NAMES])
