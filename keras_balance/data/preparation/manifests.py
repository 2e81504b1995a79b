"""What files should be: sizes and sha256 from manifests and LFS pointers."""

import csv
import gzip
import io
import os
import re
import subprocess
from pathlib import Path

from keras_balance.errors import UsageError

COLUMNS = ["path", "sha256", "size"]
POINTER = re.compile(
    r"version https://git-lfs\S*\noid sha256:(?P<oid>[0-9a-f]{64})\n"
    r"size (?P<size>\d+)\n?"
)


def read_manifest(path):
    """Reads a manifest: csv or csv.gz with columns path, sha256, size.

    Args:
        path: the file.

    Returns:
        dict from relative path to `(sha256, size)`.

    Raises:
        UsageError: where the file is missing or malformed.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode(
            "utf-8-sig"
        )
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UsageError(
            f"expected a manifest, csv or csv.gz. Received: {path} ({error})"
        ) from error
    rows = csv.reader(io.StringIO(text))
    header = next(rows, None)
    if header != COLUMNS:
        raise UsageError(
            f"expected a manifest with the columns {','.join(COLUMNS)}. "
            f"Received: {path} with {header}"
        )
    expected = {}
    for number, row in enumerate(rows, 2):
        if len(row) != 3 or len(row[1]) != 64 or not row[2].isdigit():
            raise UsageError(
                f"{path}, line {number}: expected path,sha256,size. "
                f"Received: {','.join(row)}"
            )
        expected[row[0]] = (row[1], int(row[2]))
    return expected


def parse_pointer(text):
    """Returns `(sha256, size)` of a git-LFS pointer's text, or None."""
    match = POINTER.fullmatch(text)
    return (match["oid"], int(match["size"])) if match else None


def pointers_in_git(folder, paths):
    """Reads the LFS pointers that a git clone has committed.

    Args:
        folder: a folder inside a clone (git-lfs itself is not needed).
        paths: list of paths relative to `folder`.

    Returns:
        dict from path to `(sha256, size)`; without those that git does not
        know, so empty where there is no clone or no git.
    """
    names = [Path(path).as_posix() for path in paths]
    asked = "".join(f"HEAD:./{name}\n" for name in names)
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "cat-file", "--batch"],
            input=os.fsencode(asked),
            capture_output=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    stream, found = io.BytesIO(answer), {}
    for name in names:
        head = stream.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            continue  # "HEAD:./name missing"
        blob = stream.read(int(head[2]))
        stream.readline()
        pointer = parse_pointer(blob.decode("ascii", errors="replace"))
        if pointer is not None:
            found[name] = pointer
    return found
