"""Data sets: decoding, prepared shards, splits and the training pipeline.

A data set is a folder with a `DataSet` and a table of `catalogue.toml`, which
is plain data, so that listing the sets imports none of them. Other packages
add theirs by an entry point (`keras_balance.registry`) or by `register`.
"""

import dataclasses
import importlib

from keras_balance.registry import Registry

_DATASETS = Registry("data set", __name__)
_LAZY = {
    "BatchDataset": "keras_balance.data.loading.batches",
    "DataSet": "keras_balance.data.dataset",
    "Input": "keras_balance.data.dataset",
    "Item": "keras_balance.data.preparation.prepare",
    "PreparedData": "keras_balance.data.preparation.prepared",
    "Source": "keras_balance.data.preparation.sources",
}

__all__ = [
    "Facts",
    "default_cache_dir",
    "facts",
    "get",
    "names",
    "register",
    *_LAZY,
]


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the catalogue says of a data set.

    Attributes:
        name: for `get` and the command line.
        title: what its authors call it.
        licence: of the data.
        size: of the download, and how many samples, in words.
        layout: text, the files that its folder should hold.
    """

    name: str
    title: str
    licence: str
    size: str
    layout: str


def names():
    """Returns the names of the data sets."""
    return _DATASETS.names()


def facts(name):
    """Returns the `Facts` of a data set, without importing it.

    Raises:
        ValueError: for an unknown name; the message names the nearest.
    """
    return Facts(name, **_DATASETS.get(name).facts)


def get(name):
    """Returns a data set, a `DataSet`.

    Args:
        name: one of `names()`.

    Raises:
        ValueError: for an unknown name; the message names the nearest.
    """
    return _DATASETS.get(name).load()(facts(name))


def register(name, dataset, *, title, licence, size, layout):
    """Adds a data set of another package to this process, by its name.

    Commands that start processes of their own, such as a recipe with several
    methods, know it only by an entry point (`keras_balance.registry`).

    Args:
        name: the new name.
        dataset: subclass of `DataSet`.
        title: as in `Facts`.
        licence: as in `Facts`.
        size: as in `Facts`.
        layout: as in `Facts`.

    Raises:
        ValueError: the name is taken.
    """
    _DATASETS.register(
        name, dataset, title=title, licence=licence, size=size, layout=layout
    )


def default_cache_dir():
    """Returns the user's cache folder, where prepared shards live."""
    import platformdirs

    return platformdirs.user_cache_dir("keras-balance", appauthor=False)


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
