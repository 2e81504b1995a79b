"""One odd file is named; the others are read."""

import json
import os
import shutil

import numpy as np
import pytest

from keras_balance.data import get
from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.files import check_present
from keras_balance.data.decoding.files import printable
from keras_balance.data.decoding.files import reading
from keras_balance.data.preparation.checksums import checksums
from keras_balance.data.preparation.prepare import Item
from keras_balance.data.preparation.prepare import Job
from keras_balance.data.preparation.prepare import prepare_rows
from keras_balance.data.preparation.problems import DoctorReport
from keras_balance.errors import UsageError


def read(item):
    """Reads a file of digits."""
    check_present(item.files[0])
    return {"x": np.array(item.files[0].read_text().split(), "float32")}, []


def job_of(folder, decode=read):
    items = [Item(path.stem, 0, (path,)) for path in sorted(folder.iterdir())]
    return Job("odd", {}, items, {"x": ((2,), "float32")}, decode)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a", "b", "z"):
        (folder / f"{name}.txt").write_text("1 2")
    return folder


def make_odd(kind, path):
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "shape":
        path.write_text("1 2 3")
    else:
        path.write_text("one two")


@pytest.mark.parametrize(
    "kind, problem, text",
    [
        ("folder", "not-a-file", "Received: a folder of that name"),
        ("loop", "missing", "a link to"),
        ("dangling", "missing", "a link to nowhere"),
        ("pipe", "not-a-file", "neither file nor folder"),
        ("shape", "undecodable", "expected x of shape (2,). Received"),
        ("text", "unreadable", "ValueError: could not convert string"),
    ],
)
def test_one_odd_file(folder, tmp_path, kind, problem, text):
    make_odd(kind, folder / "odd.txt")
    with pytest.raises(UsageError, match="1 broken or missing") as caught:
        prepare_rows(job_of(folder), tmp_path / "cache")
    assert "odd" in caught.value.message and text in caught.value.message
    shards = prepare_rows(job_of(folder), tmp_path / "cache", on_error="skip")
    assert shards.names == ["a", "b", "z"]
    np.testing.assert_array_equal(shards.select("x")[:], [[1, 2]] * 3)
    (skipped,) = shards.skipped
    assert (skipped.kind, skipped.path) == (problem, "odd")
    assert text in skipped.message


def test_an_odd_file_is_decoded_again_once_it_is_mended(folder, tmp_path):
    (folder / "odd.txt").mkdir()
    job = job_of(folder)
    prepare_rows(job, tmp_path / "cache", on_error="skip")
    (folder / "odd.txt").rmdir()
    (folder / "odd.txt").write_text("3 4")
    shards = prepare_rows(job, tmp_path / "cache")
    assert shards.names == ["a", "b", "odd", "z"] and not shards.skipped


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode on Windows")
def test_names_that_are_not_utf8(folder, tmp_path):
    odd = folder / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    for name in (b"n\xe9.txt", b"o\xe9.txt"):
        (odd / os.fsdecode(name)).write_text("5 6")
    (odd / os.fsdecode(b"o\xe9.txt")).write_text("5")
    for _ in range(2):  # the second time, checksums are read from the cache
        shards = prepare_rows(job_of(odd), tmp_path / "cache", on_error="skip")
        assert shards.names == ["n\\xe9"]
        (skipped,) = shards.skipped
        assert skipped.path == "o\\xe9"
        json.dumps([shards.names, skipped.message], ensure_ascii=False).encode()
    with pytest.raises(UsageError) as caught:
        prepare_rows(job_of(odd), tmp_path / "cache")
    caught.value.message.encode()
    report = DoctorReport("odd", str(odd))
    report.add("missing", odd, f"{odd} is missing.")
    console_text(report).encode()


def console_text(report):
    from rich.console import Console

    console = Console(width=200, record=True, quiet=True)
    console.print(report.render())
    return console.export_text()


def test_checksums_of_what_cannot_be_read(tmp_path):
    (tmp_path / "d.wav").mkdir()
    (tmp_path / "l.wav").symlink_to("l.wav")
    (tmp_path / "a.wav").write_bytes(b"a")
    paths = [tmp_path / f"{name}.wav" for name in "adl"]
    for _ in range(2):
        sums = checksums(paths, tmp_path / "cache")
        assert [bool(sums[path]) for path in paths] == [True, False, False]


def test_reading_names_what_was_read():
    for error in (ValueError("no"), KeyError("x"), UsageError("no")):
        with pytest.raises(MediaError) as caught, reading("clip 7"):
            raise error
        assert caught.value.kind == "unreadable"
        assert caught.value.message.startswith("clip 7: ")
        assert caught.value.__cause__ is error
    with pytest.raises(MediaError) as caught, reading("clip 7"):
        raise MediaError("silent", "a.wav", "it is silent.")
    assert caught.value.message == "a.wav: it is silent."
    with pytest.raises(KeyboardInterrupt), reading("clip 7"):
        raise KeyboardInterrupt


def test_printable():
    assert printable("ä.wav") == "ä.wav"
    assert printable(os.fsdecode(b"\xe9.wav")) == "\\xe9.wav"


def test_doctor_names_odd_files(demo, digits, tmp_path, make_video):
    cremad = tmp_path / "cremad"
    shutil.copytree(demo, cremad)
    folder, loop, noise, *_ = sorted((cremad / "AudioWAV").glob("*.wav"))
    for path in (folder, loop):
        path.unlink()
    folder.mkdir()
    loop.symlink_to(loop.name)
    noise.write_bytes(b"RIFF\x00")
    report = get("cremad").doctor(cremad)
    found = {p.path for p in report.problems if p.severity == "error"}
    assert found == {f"AudioWAV/{p.name}" for p in (folder, loop, noise)}
    other = tmp_path / "digits"
    shutil.copytree(digits, other)
    path = next(iter(other.rglob("*.wav")))
    path.unlink()
    path.mkdir()
    report = get("avdigits").doctor(other)
    (problem,) = [p for p in report.problems if p.severity == "error"]
    assert path.name in problem.path and problem.kind == "not-a-file"


def test_doctor_survives_what_a_decoder_does(demo, tmp_path, monkeypatch):
    def fail(path, rate, allow_silent=False):
        if "IEO_ANG" in path.name:
            raise ZeroDivisionError("odd")
        return np.ones(rate, "float32")

    monkeypatch.setattr("keras_balance.data.decoding.media.read_audio", fail)
    report = get("cremad").doctor(demo)
    texts = [p.message for p in report.problems if p.severity == "error"]
    assert texts and all("ZeroDivisionError: odd" in text for text in texts)
