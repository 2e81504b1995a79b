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


def describe(backend, checksum):
    """The content of environment.json.

    Args:
        backend: name of the backend in use.
        checksum: of the prepared data.
    """
    return {
        "backend": backend,
        "device": device(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "versions": versions(),
        "data_checksum": checksum,
    }
