"""Expectations that hold without pytest, and under `python -O`."""

import numpy as np

from keras_balance.testing import networks


def true(holds, text):
    """Raises AssertionError with a text where something does not hold."""
    if not holds:
        raise AssertionError(text)


def finite(history):
    """Every number of a history is finite."""
    for key, values in history.items():
        true(np.isfinite(values).all(), f"{key} is not finite: {values}")


def close(one, other, tolerance, text):
    """Two lists of arrays differ by at most a tolerance."""
    found = networks.difference(one, other)
    true(found <= tolerance, f"{text}: they differ by {found:.3g}")
