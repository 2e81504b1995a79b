"""Files that are whole or not there, whenever the process is killed."""

import contextlib
import json
import os
import pathlib


@contextlib.contextmanager
def replacing(path):
    """A temporary path that replaces `path` when the block succeeds.

    A kill at any moment leaves the old file or the new one, never a part.
    """
    path = pathlib.Path(path)
    part = path.with_name(f".part-{path.name}")
    yield part
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


def write_text(path, text):
    """Write a text file atomically."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


def write_json(path, value):
    """Write a JSON file atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path):
    """Read a JSON file."""
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
