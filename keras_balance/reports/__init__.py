"""From run folders to pages: the report of a run, the comparison of several.

Importing this package imports neither Keras nor Matplotlib.
"""

import importlib

_HOMES = {
    "Comparison": "comparison",
    "compare": "comparison",
    "write_report": "report",
}

__all__ = list(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, name)


def __dir__():
    return sorted(__all__)
