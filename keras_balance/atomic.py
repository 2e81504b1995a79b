"""Files that are whole or not there, whenever the process is killed."""

import contextlib
import errno
import json
import os
import pathlib

from keras_balance.errors import UsageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def room(folder):
    """A block that writes into a folder, whose disk may be full.

    Raises:
        UsageError: it is.
    """
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        raise UsageError(
            f"Expected room on the disk. Received: {folder}, where nothing "
            "more can be written",
            "free some, then type the same command again, a run's with "
            "--resume: it goes on from what is there",
        ) from error


def _is_full(error):
    """Whether a full disk is behind an error, that of a library too."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if os.strerror(errno.ENOSPC) in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def replacing(path):
    """A temporary path that replaces `path` when the block succeeds.

    A kill at any moment leaves the old file or the new one, never a part.

    Raises:
        UsageError: the disk is full.
    """
    path = pathlib.Path(path)
    part = path.with_name(f".part-{path.name}")
    try:
        with room(path.parent):
            yield part
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            os.replace(part, path)
    except BaseException:
        # What is left of it would take the room that is needed.
        part.unlink(missing_ok=True)
        raise


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
