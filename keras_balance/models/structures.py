"""A modality's input: one array, or any structure of arrays.

An encoder of several inputs, such as token ids and a padding mask, has a
modality of several arrays: `x["text"] = {"token_ids": ..., "padding_mask":
...}`, a list or a tuple of them. All leaves have the rows of the batch.
"""

import keras


def shapes_of(x):
    """The shapes of a batch's inputs, rows left open.

    Args:
        x: structure of arrays `(batch, ...)`.

    Returns:
        The structure with `(None, ...)` in the place of each array.
    """
    return keras.tree.map_structure(lambda a: (None, *a.shape[1:]), x)


def symbolic(shapes):
    """KerasTensors in the place of the shapes of a structure."""
    return keras.tree.map_shape_structure(
        lambda shape: keras.KerasTensor(tuple(shape)), shapes
    )


def rows_of(x):
    """How many rows the arrays of a structure have: of its first leaf."""
    return len(keras.tree.flatten(x)[0])


def is_floating(x):
    """Whether every leaf of a structure is floating-point."""
    return all(
        "float" in keras.backend.standardize_dtype(leaf.dtype)
        for leaf in keras.tree.flatten(x)
    )


def first_row(x):
    """The structure with the first row alone, `(1, ...)`."""
    return keras.tree.map_structure(lambda a: a[:1], x)


def leaves(name, x):
    """Pairs `(path, leaf)` of a modality's input, for messages.

    Args:
        name: the modality.
        x: its input.

    Returns:
        list; a path is such as `x['text']['padding_mask']`.
    """
    found = []
    for path, leaf in keras.tree.flatten_with_path(x):
        keys = "".join(f"[{key!r}]" for key in path)
        found.append((f"x[{name!r}]{keys}", leaf))
    return found
