"""Checks of variable indices given by the user."""

import operator


def check_indices(name, indices):
    """Return `indices` as a tuple of ints, or None.

    Args:
        name: str, the argument's name, for the message.
        indices: iterable of ints, or None.

    Raises:
        ValueError: an element is not an int, is negative, or is repeated.
    """
    if indices is None:
        return None
    try:
        checked = tuple(operator.index(i) for i in indices)
    except TypeError:
        checked = (-1,)
    if any(i < 0 for i in checked) or len(set(checked)) != len(checked):
        raise ValueError(
            f"expected {name} to be a list of different variable indices "
            "(ints >= 0, in the order of model.trainable_variables). "
            f"Received: {name}={indices!r}"
        )
    return checked


def check_range(name, indices, count):
    """Raise ValueError if an index does not belong to `count` variables."""
    beyond = [i for i in indices or () if i >= count]
    if beyond:
        raise ValueError(
            f"expected {name} to hold indices below {count}, the number of "
            f"variables that the optimizer is built on. Received: {beyond}"
        )
