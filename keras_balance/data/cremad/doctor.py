"""Examines a copy of CREMA-D, file by file and list by list."""

import concurrent.futures
from pathlib import Path

from keras_balance.data.cremad.names import CLASSES
from keras_balance.data.cremad.names import CLIPS
from keras_balance.data.cremad.names import FOLDERS
from keras_balance.data.cremad.names import KNOWN_BAD
from keras_balance.data.cremad.names import actor_of
from keras_balance.data.cremad.names import clips_on_disk
from keras_balance.data.cremad.names import label_of
from keras_balance.data.cremad.names import parse
from keras_balance.data.cremad.split import PAPER_COUNTS
from keras_balance.data.cremad.split import listing
from keras_balance.data.cremad.split import read_lists
from keras_balance.data.decoding import media
from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.files import check_complete
from keras_balance.data.loading.splits import shared
from keras_balance.data.preparation.checksums import sha256_of
from keras_balance.data.preparation.manifests import pointers_in_git
from keras_balance.data.preparation.manifests import read_manifest
from keras_balance.data.preparation.problems import DoctorReport
from keras_balance.errors import UsageError

OWN_MANIFEST = "manifest.csv"


def doctor(data_dir, manifest=None, progress=None):
    """Names every broken file and everything odd about the split.

    Sizes and sha256 are compared with `manifest`, else with the
    `manifest.csv` that `fetch` leaves, else with the git-LFS pointers that
    the user's git clone has committed; without any, files are decoded.

    Args:
        data_dir: the data set's folder.
        manifest: path of a csv or csv.gz (path, sha256, size), or None.
        progress: callable `(done, total, description)` or None.

    Returns:
        `DoctorReport`. What the published data has by itself (known bad
        clips, actors in both lists) is of severity `"note"`.

    Raises:
        UsageError: where there is no CREMA-D in the folder.
    """
    data_dir = Path(data_dir)
    report = DoctorReport("cremad", str(data_dir))
    clips = set(clips_on_disk(data_dir))
    report.counts["clips"] = {"found": len(clips), "published": CLIPS}
    lists = _read_lists(data_dir, report)
    for listed in lists.parts.values() if lists else ():
        clips.update(listed)
    expected, source = _expected(data_dir, manifest, sorted(clips))
    report.counts["checksums"] = source
    clips.update(
        Path(path).stem
        for path in expected
        if path.split("/")[0] in FOLDERS and parse(Path(path).stem)
    )
    clips = sorted(clips)
    digests = _check_files(report, data_dir, clips, expected, progress)
    _check_duplicates(report, digests, lists)
    for clip in clips:
        if clip in KNOWN_BAD:
            report.add("known-bad", clip, f"{KNOWN_BAD[clip]}.", "note")
    report.counts["emotions"] = _by_class(clips)
    report.counts["actors"] = len({actor_of(clip) for clip in clips})
    if lists is not None:
        _check_lists(report, data_dir, lists)
    return report


def _read_lists(data_dir, report):
    try:
        return read_lists(data_dir)
    except UsageError as error:
        report.add("split-file", data_dir, error.message)
        return None


def _expected(data_dir, manifest, clips):
    """The sizes and sha256 that files should have, and where that is from."""
    own = data_dir / OWN_MANIFEST
    if manifest is not None:
        return read_manifest(manifest), f"manifest {manifest}"
    if own.is_file():
        return read_manifest(own), f"manifest {own}"
    paths = [f"{f}/{clip}{end}" for clip in clips for f, end in FOLDERS.items()]
    found = pointers_in_git(data_dir, paths)
    source = "git-LFS pointers of the clone" if found else "none"
    return found, source


def _check_files(report, data_dir, clips, expected, progress):
    """Checks all files in threads; returns the digests of the wavs."""
    paths = [f"{f}/{clip}{end}" for clip in clips for f, end in FOLDERS.items()]
    digests, good = {}, dict.fromkeys(FOLDERS, 0)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = pool.map(
            lambda path: _check(data_dir / path, expected.get(path)), paths
        )
        for done, (path, result) in enumerate(
            zip(paths, results, strict=True), 1
        ):
            digest, problems = result
            for kind, message in problems:
                known = Path(path).stem in KNOWN_BAD or kind == "no-audio"
                level = "note" if known and digest else "error"
                report.add(kind, path, message, level)
            if not problems:
                good[path.split("/")[0]] += 1
            if digest and path.endswith(".wav"):
                digests[Path(path).stem] = digest
            if progress is not None:
                progress(done, len(paths), "examining CREMA-D")
    report.counts["good files"] = good
    return digests


def _check(path, expected):
    """Returns a file's sha256 (or None) and its `(kind, message)` pairs."""
    try:
        check_complete(path)
    except MediaError as error:
        return None, [(error.kind, error.text)]
    digest, problems = sha256_of(path), []
    if expected is not None:
        checksum, size = expected
        received = path.stat().st_size
        if received != size:
            text = f"expected {size} bytes. Received: {received} bytes."
            return None, [("wrong-size", text)]
        if digest != checksum:
            text = f"expected sha256 {checksum}. Received: {digest}"
            return None, [("wrong-sha256", text)]
    try:
        if path.suffix == ".wav":
            media.read_audio(path, 16000)
        else:
            if not media.has_audio(path):
                text = "the video has no audio stream (the wav has the sound)."
                problems.append(("no-audio", text))
            if expected is None:  # else its bytes are the published ones
                media.read_frames(path)
    except MediaError as error:
        problems.append((error.kind, error.text))
    return digest, problems


def _check_duplicates(report, digests, lists):
    groups = {}
    for clip, digest in digests.items():
        groups.setdefault(digest, []).append(clip)
    part = {
        c: p for p, cs in (lists.parts if lists else {}).items() for c in cs
    }
    for clips in groups.values():
        if len({label_of(clip) for clip in clips}) < 2:
            continue
        where = ", ".join(f"{c} ({part.get(c, 'unlisted')})" for c in clips)
        report.add(
            "same-wav",
            clips[0],
            f"identical sound under different labels: {where}.",
            "note",
        )


def _check_lists(report, data_dir, lists):
    for clip, parts in shared(lists.parts).items():
        text = f"the clip is in {' and '.join(parts)}."
        report.add("clip-in-two-splits", clip, text)
    actors = shared(
        {part: map(actor_of, clips) for part, clips in lists.parts.items()}
    )
    if actors:
        text = (
            f"{len(actors)} actors are in train and test, so the test does "
            f"not measure new faces: {listing(actors)}. For a split without: "
            "--set split=actors"
        )
        report.add("actors-in-two-splits", "train.csv, test.csv", text, "note")
    report.counts["actors in two splits"] = len(actors)
    present = set(clips_on_disk(data_dir))
    for part, clips in lists.parts.items():
        if not lists.pinned[part]:
            text = "the sha256 is not that of the OGM-GE authors' list."
            report.add("other-list", f"{part}.csv", text, "note")
        found = _by_class([clip for clip in clips if clip in present])
        paper = dict(zip(CLASSES, PAPER_COUNTS[part], strict=True))
        report.counts[part] = {"found": found, "paper": paper}
        if found != paper:
            level = "error" if lists.pinned[part] else "note"
            text = f"expected the paper's counts {paper}. Received: {found}"
            report.add("class-counts", f"{part}.csv", text, level)


def _by_class(clips):
    labels = [label_of(clip) for clip in clips]
    return {name: labels.count(k) for k, name in enumerate(CLASSES)}
