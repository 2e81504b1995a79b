"""Examines a copy of AV-digits."""

import collections
from pathlib import Path

import numpy as np

from keras_balance.data.avdigits.fetch import MD5
from keras_balance.data.avdigits.fetch import RECORDINGS
from keras_balance.data.avdigits.files import find_images
from keras_balance.data.avdigits.files import find_recordings
from keras_balance.data.avdigits.files import parse
from keras_balance.data.avdigits.files import read_pair
from keras_balance.data.decoding import media
from keras_balance.data.decoding.files import MediaError
from keras_balance.data.preparation.checksums import sha256_of
from keras_balance.data.preparation.manifests import read_manifest
from keras_balance.data.preparation.problems import DoctorReport

RATE = 8000


def doctor(data_dir, manifest=None, progress=None):
    """Names every broken recording and idx file.

    Args:
        data_dir: the folder described by `avdigits.LAYOUT`.
        manifest: path of a csv or csv.gz (path, sha256, size), with paths
            relative to `data_dir`, or None.
        progress: callable `(done, total, description)` or None.

    Returns:
        `DoctorReport`.

    Raises:
        UsageError: where recordings or images are absent.
    """
    data_dir = Path(data_dir)
    report = DoctorReport("avdigits", str(data_dir))
    expected = read_manifest(manifest) if manifest else {}
    recordings = find_recordings(data_dir)
    _check_images(report, find_images(data_dir))
    for done, path in enumerate(recordings, 1):
        _check_recording(report, path)
        if progress is not None:
            progress(done, len(recordings), "examining AV-digits")
    _check_manifest(report, data_dir, expected)
    facts = [parse(path.stem) for path in recordings]
    report.counts["recordings"] = {
        "found": len(recordings),
        "published": RECORDINGS,
    }
    for key in ("speaker", "digit"):
        counted = collections.Counter(fact[key] for fact in facts)
        report.counts[f"recordings by {key}"] = dict(sorted(counted.items()))
    if len(recordings) != RECORDINGS:
        text = f"expected {RECORDINGS} recordings. Received: {len(recordings)}"
        report.add("count", recordings[0].parent, text, "note")
    return report


def _check_images(report, pairs):
    for image_path, label_path in pairs:
        try:
            _, labels = read_pair(image_path, label_path)
        except MediaError as error:
            report.add(error.kind, error.path, error.text)
            continue
        counted = np.bincount(labels, minlength=10).tolist()
        report.counts[f"{image_path.name} by digit"] = counted
        for path in (image_path, label_path):
            if MD5.get(path.name, "") not in ("", sha256_of(path, "md5")):
                text = "the md5 is not that of the published MNIST file."
                report.add("other-file", path, text, "note")


def _check_recording(report, path):
    try:
        media.read_audio(path, RATE)
    except MediaError as error:
        report.add(error.kind, path, error.text)


def _check_manifest(report, data_dir, expected):
    for name, (checksum, size) in expected.items():
        path = data_dir / name
        if not path.is_file():
            report.add("missing", name, "the file does not exist.")
        elif path.stat().st_size != size:
            text = f"expected {size} bytes. Received: {path.stat().st_size}"
            report.add("wrong-size", name, text)
        elif sha256_of(path) != checksum:
            report.add("wrong-sha256", name, f"expected sha256 {checksum}.")
