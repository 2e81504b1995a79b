"""What can be told about a media file before it is decoded."""

import contextlib
import os
from pathlib import Path

from keras_balance.data.decoding import containers
from keras_balance.errors import UsageError

LFS_MAGIC = b"version https://git-lfs"


class MediaError(UsageError):
    """A media file that cannot be used.

    Args:
        kind: one word for tables and tests: `"missing"`, `"not-a-file"`,
            `"empty"`, `"lfs-stub"`, `"truncated"`, `"undecodable"`,
            `"no-samples"`, `"silent"`, `"no-audio"`, `"no-frames"` or
            `"unreadable"` (an exception that nothing here expects).
        path: the file.
        text: what is wrong with it and what to do.
    """

    def __init__(self, kind, path, text):
        path, text = printable(path), printable(text)
        super().__init__(f"{path}: {text}")
        self.kind = kind
        self.path = path
        self.text = text


def printable(text):
    r"""Returns a text or path that any UTF-8 output takes.

    Bytes of a file's name that are not UTF-8 are shown as `\xe9`.
    """
    data = str(text).encode("utf-8", "surrogateescape")
    return data.decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def reading(name):
    """Turns any exception into a `MediaError` that names what was read.

    Args:
        name: the file or sample; a `MediaError` passes with its own.

    Raises:
        MediaError: of kind `"unreadable"`, with the exception's type and text.
    """
    try:
        yield
    except MediaError:
        raise
    except UsageError as error:
        raise MediaError("unreadable", name, error.message) from error
    except Exception as error:
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        raise MediaError(
            "unreadable", name, f"it cannot be read ({what})."
        ) from error


def check_present(path):
    """Checks that a file exists, has content and is no git-LFS stub.

    Args:
        path: the file.

    Returns:
        Its size in bytes.

    Raises:
        MediaError: of kind `"missing"`, `"not-a-file"`, `"empty"`,
            `"lfs-stub"` or `"unreadable"`.
    """
    path = Path(path)
    if not os.path.lexists(path):
        raise MediaError("missing", path, "the file does not exist.")
    with reading(path):
        if not path.exists():
            raise MediaError("missing", path, _dangling(path))
        if not path.is_file():
            what = "a folder" if path.is_dir() else "neither file nor folder"
            text = f"expected a file. Received: {what} of that name."
            raise MediaError("not-a-file", path, text)
        size = path.stat().st_size
        if size == 0:
            raise MediaError("empty", path, "the file is empty (0 bytes).")
        stub = is_lfs_stub(path)
    if stub:
        raise MediaError(
            "lfs-stub",
            path,
            "this is a git-LFS pointer, not the media itself. Run "
            "`git lfs pull` in the data set's clone.",
        )
    return size


def is_lfs_stub(path):
    """Whether a file is the text pointer that git-LFS leaves in its place."""
    with open(path, "rb") as file:
        return file.read(len(LFS_MAGIC)) == LFS_MAGIC


def check_complete(path):
    """Checks a file's container against its size, without decoding.

    Containers that say how long they are (`containers`) are walked; others
    pass.

    Args:
        path: the file.

    Raises:
        MediaError: of kind `"truncated"`, or as `check_present`.
    """
    check_present(path)
    with open(path, "rb") as file:
        fault = containers.fault_of(file)
    if fault:
        raise MediaError("truncated", path, fault)


def _dangling(path):
    return f"the file does not exist: a link to {os.readlink(path)}."
