"""Data sets: decoding, prepared shards, splits and the training pipeline."""

import difflib
import importlib

DATASETS = {
    "cremad": "keras_balance.data.cremad",
    "avdigits": "keras_balance.data.avdigits",
}
_LAZY = {
    "BatchDataset": "keras_balance.data.loading.batches",
    "PreparedData": "keras_balance.data.preparation.prepared",
}

__all__ = ["DATASETS", "default_cache_dir", "get", "names", *_LAZY]


def names():
    """Returns the names of the data sets."""
    return list(DATASETS)


def get(name):
    """Returns the module of a data set.

    Args:
        name: one of `names()`.

    Raises:
        ValueError: for an unknown name; the message names the nearest.
    """
    if name not in DATASETS:
        near = difflib.get_close_matches(str(name), DATASETS, n=1)
        nearest = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"expected a data set, one of {', '.join(DATASETS)}. Received: "
            f"name={name!r}.{nearest}"
        )
    return importlib.import_module(DATASETS[name])


def default_cache_dir():
    """Returns the user's cache folder, where prepared shards live."""
    import platformdirs

    return platformdirs.user_cache_dir("keras-balance", appauthor=False)


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
