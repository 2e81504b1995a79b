"""Encoders: functional Keras models, one modality -> (batch, features)."""

import importlib

# A module must not have the name of its function: importing it would put it
# in the function's place.
_MODULES = {
    "convolutional": "convolutional_encoder",
    "dense": "dense_encoder",
    "resnet18": "resnet",
}
_OTHERS = {
    "KerasHubMissing": "resnet",
    "OverFrames": "frames",
    "Staged": "staged",
}


def names():
    """List the names that `get` knows."""
    return sorted(_MODULES)


def get(name):
    """Return the function that builds the encoder called `name`.

    Raises:
        ValueError: no encoder has that name.
    """
    if name not in _MODULES:
        raise ValueError(
            f"expected one of {', '.join(names())}. Received: encoder={name!r}"
        )
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    return getattr(module, name)


def __getattr__(name):
    if name in _MODULES:
        return get(name)
    if name in _OTHERS:
        module = importlib.import_module(f"{__name__}.{_OTHERS[name]}")
        return getattr(module, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__():
    return sorted([*globals(), *_MODULES, *_OTHERS])
