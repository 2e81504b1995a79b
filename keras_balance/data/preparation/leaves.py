"""Inputs of several arrays, such as token ids and their padding mask.

Stored, each array is a leaf with a dotted name, `text.token_ids`; given to a
model, they are a dict by modality, `{"text": {"token_ids": ...}}`.
"""


def flatten(tree, prefix=""):
    """The leaves of dicts in dicts, by dotted name, in order."""
    leaves = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            leaves |= flatten(value, f"{prefix}{name}.")
        else:
            leaves[f"{prefix}{name}"] = value
    return leaves


def nest(leaves):
    """What `flatten` made leaves of."""
    tree = {}
    for name, value in leaves.items():
        *path, last = name.split(".")
        inside = tree
        for part in path:
            inside = inside.setdefault(part, {})
        inside[last] = value
    return tree
