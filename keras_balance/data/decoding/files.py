"""What can be told about a media file before it is decoded."""

import struct
from pathlib import Path

from keras_balance.errors import UsageError

LFS_MAGIC = b"version https://git-lfs"
UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # what a streaming writer leaves in RIFF
FLV_TAG_TYPES = (8, 9, 18)  # audio, video, script data


class MediaError(UsageError):
    """A media file that cannot be used.

    Args:
        kind: one word for tables and tests: `"missing"`, `"empty"`,
            `"lfs-stub"`, `"truncated"`, `"undecodable"`, `"no-samples"`,
            `"silent"`, `"no-audio"` or `"no-frames"`.
        path: the file.
        text: what is wrong with it and what to do.
    """

    def __init__(self, kind, path, text):
        super().__init__(f"{path}: {text}")
        self.kind = kind
        self.path = str(path)
        self.text = text


def check_present(path):
    """Checks that a file exists, has content and is no git-LFS stub.

    Args:
        path: the file.

    Returns:
        Its size in bytes.

    Raises:
        MediaError: of kind `"missing"`, `"empty"` or `"lfs-stub"`.
    """
    path = Path(path)
    if not path.is_file():
        raise MediaError("missing", path, "the file does not exist.")
    size = path.stat().st_size
    if size == 0:
        raise MediaError("empty", path, "the file is empty (0 bytes).")
    if is_lfs_stub(path):
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

    RIFF (wav, avi) and FLV say how long they are; other containers pass.

    Args:
        path: the file.

    Raises:
        MediaError: of kind `"truncated"`, or as `check_present`.
    """
    size = check_present(path)
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF":
            expected = _riff_size(head)
        elif head[:3] == b"FLV":
            file.seek(0)
            expected = _flv_size(file.read())
        else:
            return
    if size < expected:
        raise MediaError(
            "truncated",
            path,
            f"the file is truncated: expected at least {expected} bytes from "
            f"its own header. Received: {size} bytes.",
        )


def _riff_size(head):
    if len(head) < 8:
        return 12
    (size,) = struct.unpack("<I", head[4:8])
    # Some writers count the padding byte of an odd last chunk, some do not.
    return 0 if size in UNKNOWN_SIZES else size + 8 - size % 2


def _flv_size(data):
    """Walks the tags of an FLV file; returns the size that they need."""
    if len(data) < 9:
        return 13
    (offset,) = struct.unpack(">I", data[5:9])
    offset += 4
    while offset + 4 <= len(data) and data[offset] in FLV_TAG_TYPES:
        body = int.from_bytes(data[offset + 1 : offset + 4], "big")
        end = offset + 11 + body
        if end > len(data):
            return end
        offset = end + 4
    return 0
