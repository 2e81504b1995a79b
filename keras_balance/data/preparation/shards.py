"""Arrays on disk: written row by row, resumable, checksummed, atomic.

A set of shards is a folder with one `.npy` file per array and
`manifest.json`. It is built under a temporary name with a journal of the rows
that are done, and renamed when everything is on the disk.
"""

import contextlib
import errno
import json
import math
import os
import shutil
from pathlib import Path

import numpy as np

from keras_balance.data.preparation.checksums import sha256_of
from keras_balance.data.preparation.checksums import write_json
from keras_balance.errors import UsageError

MANIFEST = "manifest.json"
JOURNAL = "journal.jsonl"
# Another one when what is stored of a file changes: older shards are left
# alone, and not used.
FORMAT = 2
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ROWS_PER_SYNC = 32


class ShardWriter:
    """Writes arrays row by row into a temporary folder.

    Rows that an earlier, killed writer put on the disk are in `done`.

    Args:
        folder: the temporary folder; made, or taken up again.
        arrays: dict from name to `(shape, dtype)`, the shape of all rows.

    Raises:
        UsageError: where the disk is too small.
    """

    def __init__(self, folder, arrays):
        self.folder = Path(folder)
        self.arrays = {
            name: (tuple(shape), np.dtype(dtype))
            for name, (shape, dtype) in arrays.items()
        }
        self.done = {}
        self._files = {}
        self._journal = None
        self._pending = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._read_journal()
            for name, (shape, dtype) in self.arrays.items():
                self._files[name] = self._open(name, shape, dtype)
            self._journal = open(self.folder / JOURNAL, "a")
        except OSError as error:
            self._fail(error)

    def write(self, row, values, entry):
        """Writes one row of every array given, and its journal entry.

        Args:
            row: the row's index.
            values: dict from array name to the row's value.
            entry: JSON-able dict that `done[row]` will hold.
        """
        try:
            for name, value in values.items():
                file, start = self._files[name]
                shape, dtype = self.arrays[name]
                data = np.ascontiguousarray(value, dtype)
                if data.shape != shape[1:]:
                    raise ValueError(
                        f"expected a row of {name} of shape {shape[1:]}. "
                        f"Received: shape={data.shape}"
                    )
                file.seek(start + row * data.nbytes)
                file.write(data.data)
            self._pending.append((row, entry))
            if len(self._pending) >= ROWS_PER_SYNC:
                self.sync()
        except OSError as error:
            self._fail(error)

    def write_whole(self, name, array):
        """Writes all rows of one array."""
        try:
            file, start = self._files[name]
            file.seek(start)
            file.write(np.ascontiguousarray(array, self.arrays[name][1]).data)
        except OSError as error:
            self._fail(error)

    def sync(self):
        """Puts the rows on the disk, then the journal that names them."""
        try:
            for file, _ in self._files.values():
                file.flush()
                os.fsync(file.fileno())
            for row, entry in self._pending:
                self.done[row] = entry
                self._journal.write(json.dumps([row, entry]) + "\n")
            self._pending = []
            self._journal.flush()
            os.fsync(self._journal.fileno())
        except OSError as error:
            self._fail(error)

    def finish(self, folder, manifest):
        """Seals the shards: checksums, manifest, rename.

        Args:
            folder: the final name; must not exist.
            manifest: JSON-able dict, written with the files' sizes and sha256.
        """
        self.sync()
        self.close()
        try:
            files = {
                f"{name}.npy": {
                    "size": os.path.getsize(self.folder / f"{name}.npy"),
                    "sha256": sha256_of(self.folder / f"{name}.npy"),
                }
                for name in self.arrays
            }
            record = {"format": FORMAT, **manifest, "files": files}
            write_json(self.folder / MANIFEST, record)
            _sync_folder(self.folder)
            os.replace(self.folder, folder)
            _sync_folder(Path(folder).parent)
            # Last: a writer killed before the renaming still has its rows.
            os.remove(Path(folder) / JOURNAL)
        except OSError as error:
            self._fail(error)

    def close(self):
        """Closes the files; the folder stays, to be taken up again."""
        for file, _ in self._files.values():
            file.close()
        if self._journal is not None:
            self._journal.close()

    def _open(self, name, shape, dtype):
        """Opens (or makes, with its space reserved) one `.npy` file."""
        path = self.folder / f"{name}.npy"
        file = open(path, "r+b" if path.exists() else "w+b")
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": shape,
        }
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        size = start + math.prod(shape) * dtype.itemsize
        file.flush()
        # Reserved now: a disk that fills up later would cost hours of work.
        if os.path.getsize(path) < size:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        return file, start

    def _read_journal(self):
        path = self.folder / JOURNAL
        files = [self.folder / f"{name}.npy" for name in self.arrays]
        if not all(file.exists() for file in [path, *files]):
            # Of a writer killed at its start, or no longer whole.
            for file in [path, *files]:
                file.unlink(missing_ok=True)
            return
        good = []
        for line in path.read_text().splitlines():
            try:
                row, entry = json.loads(line)
            except json.JSONDecodeError:
                break  # the line that the kill cut short
            self.done[row] = entry
            good.append(line + "\n")
        path.write_text("".join(good))

    def _fail(self, error):
        if error.errno not in FULL:
            raise error
        need = sum(
            math.prod(shape) * dtype.itemsize
            for shape, dtype in self.arrays.values()
        )
        with contextlib.suppress(OSError):  # what is buffered cannot be kept
            self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        free = shutil.disk_usage(self.folder.parent).free
        raise UsageError(
            f"the disk is full: the prepared data needs {need} bytes in "
            f"{self.folder.parent}. Received: {free} bytes free ({error}).",
            hint="Make room, or name a larger disk with --cache-dir DIR.",
        ) from error


def open_shards(folder, verify=False):
    """Opens sealed shards.

    Args:
        folder: the folder.
        verify: also compare the sha256 of every file.

    Returns:
        A tuple `(manifest, arrays)`; the arrays are memory-mapped, read-only.

    Raises:
        UsageError: where a file is missing or is not what was written.
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise _damaged(folder, f"{MANIFEST} cannot be read") from error
    arrays = {}
    for file, expected in manifest["files"].items():
        path = folder / file
        size = path.stat().st_size if path.is_file() else None
        if size != expected["size"]:
            raise _damaged(
                folder,
                f"expected {file} of {expected['size']} bytes. "
                f"Received: size={size}",
            )
        if verify and sha256_of(path) != expected["sha256"]:
            raise _damaged(folder, f"the sha256 of {file} differs")
        arrays[path.stem] = np.load(path, mmap_mode="r")
    return manifest, arrays


def older_shards(cache_dir, name):
    """Shards of a data set that another version of this package wrote.

    Args:
        cache_dir: the cache directory.
        name: of the data set.

    Returns:
        Sorted list of `Path`s of folders.
    """
    found = []
    for path in sorted(Path(cache_dir).glob(f"{name}-*/{MANIFEST}")):
        try:
            written = json.loads(path.read_text()).get("format")
        except (OSError, ValueError):
            continue  # damaged: another matter
        if written != FORMAT:
            found.append(path.parent)
    return found


def _damaged(folder, what):
    return UsageError(
        f"the prepared data in {folder} is damaged: {what}.",
        hint=f"Delete it and prepare again: rm -r {folder}",
    )


def _sync_folder(folder):
    if os.name == "nt":  # Windows cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
