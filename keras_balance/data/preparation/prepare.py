"""Preparation: media files to sealed shards, once, in parallel, resumable."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np

from keras_balance import locks
from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.files import printable
from keras_balance.data.decoding.files import reading
from keras_balance.data.preparation.checksums import checksums
from keras_balance.data.preparation.prepared import Rows
from keras_balance.data.preparation.prepared import digest
from keras_balance.data.preparation.problems import Problem
from keras_balance.data.preparation.problems import refuse
from keras_balance.data.preparation.shards import FORMAT
from keras_balance.data.preparation.shards import ShardWriter
from keras_balance.data.preparation.shards import open_shards
from keras_balance.errors import UsageError

POLICIES = ("fail", "skip")
FIX = (
    "Mend the files (`keras-balance data doctor {name}` tells more), or leave "
    "them out with --on-error skip."
)


@dataclasses.dataclass(frozen=True)
class Item:
    """One row to prepare.

    Attributes:
        name: the sample's name.
        label: its class, an integer; or an array, equal in shape for all.
        files: tuple of the paths of the files it is made of.
        part: `"train"`, `"validation"` or `"test"`, or None where the set
            does not say.
        group: what no two parts may share, such as the speaker's name, or
            None.
    """

    name: str
    label: object
    files: tuple
    part: str | None = None
    group: str | None = None


@dataclasses.dataclass(frozen=True)
class Job:
    """What to prepare.

    Attributes:
        name: the data set's name.
        front_end: JSON-able dict of everything that decides a row's bytes.
        items: list of `Item`, one per row.
        arrays: dict from modality to `(row shape, dtype)`.
        decode: callable `(item) -> (dict of row values, list of warnings)`
            that raises `MediaError`; called from several threads.
        constants: dict of whole arrays stored beside the rows.
    """

    name: str
    front_end: dict
    items: list
    arrays: dict
    decode: object
    constants: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Shards:
    """Sealed shards: `rows` are the good ones, in order.

    `names` and `labels` belong to those; `arrays` hold all rows.
    """

    folder: Path
    arrays: dict
    rows: np.ndarray
    names: list
    labels: np.ndarray
    skipped: list
    warnings: list
    checksum: str

    def select(self, name):
        """Returns one array without the broken rows."""
        array = self.arrays[name]
        if len(self.rows) == len(array):
            return array
        return Rows(array, self.rows)


def prepare_rows(
    job, cache_dir, *, on_error="fail", workers=None, progress=None
):
    """Decodes the items of a job, or opens what an earlier call prepared.

    The shards are keyed by the front end and the content of every input file.
    A killed call is continued by the next one; a file that was mended in
    between is decoded again.

    Args:
        job: a `Job`.
        cache_dir: the cache directory.
        on_error: `"fail"` raises once, after all files were tried, and lists
            the broken ones; `"skip"` leaves them out.
        workers: number of decoding threads, by default the number of
            processors.
        progress: callable `(done, total, description)` or None.

    Returns:
        `Shards`.

    Raises:
        UsageError: for broken files, nothing to prepare or a full disk.
    """
    if on_error not in POLICIES:
        raise ValueError(
            f"expected on_error to be one of {', '.join(POLICIES)}. "
            f"Received: on_error={on_error!r}"
        )
    cache_dir = Path(cache_dir)
    workers = workers or os.cpu_count() or 1
    files = [file for item in job.items for file in item.files]
    sums = checksums(files, cache_dir, workers, progress)
    inputs = [digest([sums[Path(f)] for f in i.files]) for i in job.items]
    names = [item.name for item in job.items]
    labels = _labels(job)
    constants = {
        name: hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
        for name, array in job.constants.items()
    }
    identity = [FORMAT, job.name, job.front_end, names, labels, constants]
    final = cache_dir / f"{job.name}-{digest(*identity, inputs)[:20]}"
    partial = cache_dir / f"{job.name}-{digest(*identity)[:20]}.partial"
    with locks.waiting(partial.with_suffix(".lock")):
        if not _is_sound(final):
            writer = ShardWriter(partial, _layout(job))
            try:
                entries = _decode_all(job, inputs, writer, workers, progress)
                problems = [p for p in map(_problem, entries) if p]
                _judge(job, problems, on_error)
                for name, array in job.constants.items():
                    writer.write_whole(name, array)
                writer.finish(final, _manifest(job, inputs, entries))
            finally:
                writer.close()
    shards = _open(final)
    _judge(job, shards.skipped, on_error)
    return shards


def _labels(job):
    return [np.asarray(item.label).tolist() for item in job.items]


def _layout(job):
    rows = len(job.items)
    layout = {
        name: ((rows, *shape), dtype)
        for name, (shape, dtype) in job.arrays.items()
    }
    constants = {n: (a.shape, a.dtype) for n, a in job.constants.items()}
    return layout | constants


def _decode_all(job, inputs, writer, workers, progress):
    """Decodes the rows that the journal lacks; returns every row's entry."""
    todo = [
        row
        for row in range(len(job.items))
        if writer.done.get(row, {}).get("inputs") != inputs[row]
    ]
    total, done = len(job.items), len(job.items) - len(todo)
    running = collections.deque()
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    try:
        for row in [*todo, *[None] * (2 * workers)]:
            if row is not None:
                running.append((row, pool.submit(_decode, job, row)))
            # The queue bounds memory: rows wait here until they are written.
            if running and (row is None or len(running) > 2 * workers):
                ready, future = running.popleft()
                values, entry = future.result()
                writer.write(ready, values, {"inputs": inputs[ready], **entry})
                done += 1
                if progress is not None:
                    progress(done, total, f"decoding {job.name}")
        writer.sync()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [writer.done[row] for row in range(total)]


def _decode(job, row):
    """Returns a row's values and its entry; whatever fails is its problem."""
    item = job.items[row]
    try:
        with reading(item.name):
            values, warnings = job.decode(item)
            _check_shapes(job, item, values)
    except MediaError as error:
        problem = Problem(error.kind, printable(item.name), error.message)
        return {}, {"problem": dataclasses.asdict(problem)}
    warnings = [printable(text) for text in warnings]
    return values, {"warnings": warnings} if warnings else {}


def _check_shapes(job, item, values):
    for name, (shape, _) in job.arrays.items():
        if np.shape(values[name]) != tuple(shape):
            raise MediaError(
                "undecodable",
                item.name,
                f"expected {name} of shape {tuple(shape)}. Received: "
                f"shape={np.shape(values[name])}",
            )


def _problem(entry):
    return Problem(**entry["problem"]) if "problem" in entry else None


def _judge(job, problems, on_error):
    if problems and on_error == "fail":
        refuse(problems, f"preparing {job.name}", FIX.format(name=job.name))
    if len(problems) == len(job.items):
        refuse(problems, f"preparing {job.name}: no sample is left", None)


def _manifest(job, inputs, entries):
    return {
        "name": job.name,
        "front_end": job.front_end,
        "inputs": digest(inputs),
        "names": [printable(item.name) for item in job.items],
        "labels": _labels(job),
        "problems": [e["problem"] for e in entries if "problem" in e],
        "rows": [r for r, e in enumerate(entries) if "problem" not in e],
        "warnings": [w for e in entries for w in e.get("warnings", [])],
    }


def _open(folder):
    manifest, arrays = open_shards(folder)
    rows = np.asarray(manifest["rows"], "int64")
    names = [manifest["names"][row] for row in rows]
    labels = np.asarray(manifest["labels"])[rows]
    labels = labels.astype("float32" if labels.dtype.kind == "f" else "int32")
    sums = {name: file["sha256"] for name, file in manifest["files"].items()}
    return Shards(
        folder=folder,
        arrays=arrays,
        rows=rows,
        names=names,
        labels=labels,
        skipped=[Problem(**problem) for problem in manifest["problems"]],
        warnings=manifest["warnings"],
        checksum=digest(sums, names, labels.tolist()),
    )


def _is_sound(folder):
    """Whether the shards are there; damaged ones are cleared away."""
    if not folder.exists():
        return False
    try:
        open_shards(folder)
    except UsageError:
        shutil.rmtree(folder)
        return False
    return True
