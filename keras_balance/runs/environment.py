"""What a run ran on: versions, platform and device."""

import importlib.metadata
import os
import platform

PACKAGES = (
    "keras-balance",
    "keras",
    "keras-hub",
    "tensorflow",
    "tensorflow-io",
    "jax",
    "torch",
    "numpy",
    "av",
    "soundfile",
    "soxr",
)


def versions():
    """dict of package to installed version; absent packages are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def device():
    """The device that Keras puts tensors on, as the backend names it."""
    from keras import ops

    return str(ops.zeros(()).device)


def host(backend):
    """What of environment.json is known without importing Keras.

    Args:
        backend: name of the backend in use.
    """
    return {
        "backend": backend,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "versions": versions(),
    }


def describe(backend, checksum):
    """The content of environment.json.

    Args:
        backend: name of the backend in use.
        checksum: of the prepared data.
    """
    known = host(backend)
    return {
        "backend": known.pop("backend"),
        "device": device(),
        **known,
        "data_checksum": checksum,
    }
