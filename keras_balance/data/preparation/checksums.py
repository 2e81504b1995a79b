"""Checksums of a data set's files, remembered while the files do not change."""

import concurrent.futures
import hashlib
import json
import os
from pathlib import Path
from stat import S_ISREG

from keras_balance import locks
from keras_balance.atomic import room

CHUNK = 1 << 20


def sha256_of(path, algorithm="sha256"):
    """Returns the hex digest of a file, read in pieces."""
    state = hashlib.new(algorithm)
    with open(path, "rb") as file:
        while block := file.read(CHUNK):
            state.update(block)
    return state.hexdigest()


def checksums(paths, cache_dir, workers=None, progress=None):
    """Returns the sha256 of many files.

    A digest is remembered with the file's size and times in the cache
    directory, so that the second start only asks the file system.

    Args:
        paths: list of files; one that is missing or cannot be read (a folder,
            no permission) has the digest `""`.
        cache_dir: the cache directory.
        workers: number of threads, by default the number of processors.
        progress: callable `(done, total, description)` or None.

    Returns:
        dict from path to hex digest.
    """
    paths = sorted({Path(path) for path in paths})
    root = os.path.commonpath([p.absolute() for p in paths]) if paths else ""
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    store = Path(cache_dir) / f"checksums-{name}.json"
    # One process reads the files; those beside it find what it has found.
    with room(cache_dir), locks.waiting(store.with_suffix(".lock")):
        return _checksums(paths, store, workers, progress)


def _checksums(paths, store, workers, progress):
    known = _load(store)
    current, stale = {}, []
    for path in paths:
        stamp = _stamp(path)
        entry = known.get(str(path.absolute()))
        if stamp is None:
            current[path] = ["", None]
        elif entry is not None and entry[1] == stamp:
            current[path] = entry
        else:
            stale.append(path)
            current[path] = ["", stamp]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        digests = pool.map(_try_sha256, stale)
        for done, path in enumerate(stale, 1):
            digest = next(digests)
            current[path] = [digest, current[path][1] if digest else None]
            if progress is not None:
                progress(done, len(stale), "checksums of the files")
    if stale:
        merged = known | {str(p.absolute()): v for p, v in current.items()}
        write_json(store, merged)
    return {path: entry[0] for path, entry in current.items()}


def write_json(path, value):
    """Writes JSON under a temporary name, then renames it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(temporary, "w") as file:
        json.dump(value, file, sort_keys=True, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _try_sha256(path):
    try:
        return sha256_of(path)
    except OSError:
        return ""  # decoding will say what is wrong with it


def _stamp(path):
    try:
        stat = os.stat(path)
    except OSError:  # it is not there, or a link that leads to itself
        return None
    if not S_ISREG(stat.st_mode):  # a folder, or a pipe that waits for ever
        return None
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _load(store):
    try:
        return json.loads(store.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
