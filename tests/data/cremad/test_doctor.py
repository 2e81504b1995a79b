import csv
import hashlib
import json
import shutil
import subprocess

import pytest
from rich.console import Console

from keras_balance import data as datasets
from keras_balance.data.cremad.names import FOLDERS
from keras_balance.data.cremad.split import read_lists
from keras_balance.data.preparation.manifests import pointers_in_git
from keras_balance.errors import UsageError

cremad = datasets.get("cremad")


def found(report, severity="error"):
    return {(p.kind, p.path) for p in report.problems if p.severity == severity}


def write_manifest(folder, path):
    with open(path, "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["path", "sha256", "size"])
        for media in sorted(folder.rglob("*.*")):
            if media.suffix in (".wav", ".flv"):
                data = media.read_bytes()
                digest = hashlib.sha256(data).hexdigest()
                name = media.relative_to(folder).as_posix()
                rows.writerow([name, digest, len(data)])


def test_a_sound_copy(demo):
    report = cremad.doctor(demo)
    assert report.ok and found(report) == set()
    assert report.counts["clips"] == {"found": 36, "published": 7442}
    assert report.counts["good files"] == {"AudioWAV": 36, "VideoFlash": 36}
    assert set(report.counts["emotions"].values()) == {6}
    assert report.counts["actors in two splits"] == 3
    notes = {kind for kind, _ in found(report, "note")}
    assert notes == {"actors-in-two-splits", "other-list", "class-counts"}


def break_files(folder):
    """Breaks files in every way; returns the problems to expect."""
    wavs = sorted((folder / "AudioWAV").glob("*.wav"))
    flvs = sorted((folder / "VideoFlash").glob("*.flv"))
    wavs[0].unlink()
    wavs[1].write_bytes(b"")
    wavs[2].write_bytes(wavs[2].read_bytes()[:-50])
    flvs[3].write_text("version https://git-lfs.github.com/spec/v1\n")
    flvs[4].write_bytes(flvs[4].read_bytes()[:4000])
    flvs[5].write_bytes(b"no video" * 100)
    data = wavs[6].read_bytes()
    wavs[6].write_bytes(data[:44] + bytes(len(data) - 44))
    return {
        ("missing", f"AudioWAV/{wavs[0].name}"),
        ("empty", f"AudioWAV/{wavs[1].name}"),
        ("truncated", f"AudioWAV/{wavs[2].name}"),
        ("lfs-stub", f"VideoFlash/{flvs[3].name}"),
        ("truncated", f"VideoFlash/{flvs[4].name}"),
        ("undecodable", f"VideoFlash/{flvs[5].name}"),
        ("silent", f"AudioWAV/{wavs[6].name}"),
    }


def test_every_broken_file_is_named(copy):
    expected = break_files(copy)
    report = cremad.doctor(copy)
    assert found(report) == expected
    assert not report.ok
    value = json.loads(report.to_json())
    assert value["ok"] is False
    assert len(value["problems"]) == len(report.problems)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))
    console.print(report.render())
    text = console.export_text()
    for kind, path in expected:
        assert kind in text and path in text
    assert "7 errors" in text


def test_manifest_finds_other_bytes(copy, tmp_path):
    manifest = tmp_path / "manifest.csv"
    write_manifest(copy, manifest)
    assert found(cremad.doctor(copy, manifest)) == set()
    wavs = sorted((copy / "AudioWAV").glob("*.wav"))
    data = bytearray(wavs[0].read_bytes())
    data[1000] ^= 1
    wavs[0].write_bytes(data)
    shutil.copy(wavs[2], wavs[1])
    for suffix in ("AudioWAV/*.wav", "VideoFlash/*.flv"):
        sorted(copy.glob(suffix))[-1].unlink()
    report = cremad.doctor(copy, manifest)
    clip = "1003_IWL_SAD_XX"
    assert found(report) == {
        ("wrong-sha256", f"AudioWAV/{wavs[0].name}"),
        ("wrong-size", f"AudioWAV/{wavs[1].name}"),
        ("missing", f"AudioWAV/{clip}.wav"),
        ("missing", f"VideoFlash/{clip}.flv"),
    }
    assert report.counts["checksums"] == f"manifest {manifest}"


def test_genuine_wavs_against_the_published_manifest(real, tmp_path):
    shutil.copytree(real / "cremad" / "AudioWAV", tmp_path / "AudioWAV")
    for path in (real / "cremad" / "splits_ogmge").glob("*.csv"):
        shutil.copy(path, tmp_path)
    manifest = real / "cremad" / "cremad_manifest.csv.gz"
    report = cremad.doctor(tmp_path, manifest)
    genuine = {path.stem for path in (tmp_path / "AudioWAV").iterdir()}
    missing = {p.path for p in report.problems if p.kind == "missing"}
    assert len(missing) == 7442 + 7438
    assert not {f"AudioWAV/{clip}.wav" for clip in genuine} & missing
    kinds = {p.kind for p in report.problems}
    assert kinds == {
        "missing",
        "known-bad",
        "actors-in-two-splits",
        "class-counts",
    }
    assert report.counts["good files"] == {"AudioWAV": 4, "VideoFlash": 0}
    assert report.counts["actors in two splits"] == 91
    paper = report.counts["train"]["paper"]
    assert list(paper.values()) == [973, 1148, 1131, 1138, 1142, 1166]
    found_train = sum(report.counts["train"]["found"].values())
    found_test = sum(report.counts["test"]["found"].values())
    assert found_train + found_test == 4
    known = {p.path for p in report.problems if p.kind == "known-bad"}
    assert len(known) == 4 and "1064_IEO_DIS_MD" in known


def test_pointers_of_a_git_clone(copy):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(
            ["git", "-C", copy, *identity, *arguments],
            check=True,
            capture_output=True,
        )

    names, data = [], {}
    for path in copy.rglob("*.*"):
        if path.suffix in (".wav", ".flv"):
            names.append(path.relative_to(copy).as_posix())
            data[path] = path.read_bytes()
            sha256 = hashlib.sha256(data[path]).hexdigest()
            path.write_text(
                "version https://git-lfs.github.com/spec/v1\n"
                f"oid sha256:{sha256}\nsize {len(data[path])}\n"
            )
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "pointers")
    stubs = cremad.doctor(copy)
    assert {kind for kind, _ in found(stubs)} == {"lfs-stub"}
    assert len(found(stubs)) == 72
    for path, content in data.items():  # as `git lfs pull` would
        path.write_bytes(content)
    report = cremad.doctor(copy)
    assert report.ok
    assert report.counts["checksums"] == "git-LFS pointers of the clone"
    pointers = pointers_in_git(copy, [*names, "AudioWAV/none.wav"])
    assert pointers.keys() == set(names)
    wav = copy / "AudioWAV" / "1001_IEO_ANG_MD.wav"
    wav.write_bytes(wav.read_bytes()[:-2] + b"\x01\x02")
    assert found(cremad.doctor(copy)) == {
        ("wrong-sha256", "AudioWAV/1001_IEO_ANG_MD.wav")
    }


def test_clips_in_two_splits(copy):
    train, test = copy / "train.csv", copy / "test.csv"
    first = train.read_text().splitlines()[0]
    test.write_text(test.read_text() + first + "\n")
    clip = first.partition(",")[0]
    assert found(cremad.doctor(copy)) == {("clip-in-two-splits", clip)}


def test_identical_sound_under_other_labels(copy):
    wavs = copy / "AudioWAV"
    shutil.copy(wavs / "1001_IEO_ANG_MD.wav", wavs / "1001_IEO_SAD_MD.wav")
    shutil.copy(wavs / "1001_IEO_DIS_MD.wav", wavs / "1002_IEO_DIS_MD.wav")
    report = cremad.doctor(copy)
    (same,) = [p for p in report.problems if p.kind == "same-wav"]
    assert same.severity == "note"
    assert "1001_IEO_ANG_MD" in same.message
    assert "1001_IEO_SAD_MD" in same.message


@pytest.mark.parametrize("end", ["wav", "flv"])
def test_copies_of_a_training_clip_in_the_test_part(copy, end):
    lists = read_lists(copy).parts
    first = {part: {} for part in lists}
    for part, clips in lists.items():
        for clip in clips:
            first[part].setdefault(clip.split("_")[2], clip)
    emotion = next(e for e in first["train"] if e in first["test"])
    train, test = first["train"][emotion], first["test"][emotion]
    (folder,) = [f for f, own in FOLDERS.items() if own == f".{end}"]
    shutil.copy(
        copy / folder / f"{train}.{end}", copy / folder / f"{test}.{end}"
    )
    report = cremad.doctor(copy)
    (problem,) = [p for p in report.problems if p.severity == "error"]
    assert problem.kind == f"same-{end}-in-two-parts"
    assert f"{train} (train)" in problem.message
    assert f"{test} (test)" in problem.message


def test_both_files_of_a_clip_are_judged(copy):
    wav, flv = (copy / f / f"1001_IEO_ANG_MD{e}" for f, e in FOLDERS.items())
    data = wav.read_bytes()
    wav.write_bytes(data[:44] + bytes(len(data) - 44))
    flv.write_bytes(b"no video" * 100)
    assert found(cremad.doctor(copy)) == {
        ("silent", "AudioWAV/1001_IEO_ANG_MD.wav"),
        ("undecodable", "VideoFlash/1001_IEO_ANG_MD.flv"),
    }


def test_a_video_without_sound_is_noted(copy, make_video):
    flv = next((copy / "VideoFlash").glob("*.flv"))
    make_video(copy / "silent.avi")
    shutil.move(copy / "silent.avi", flv)
    report = cremad.doctor(copy)
    assert report.ok
    assert ("no-audio", f"VideoFlash/{flv.name}") in found(report, "note")


def test_missing_lists_are_a_problem(copy):
    (copy / "test.csv").unlink()
    report = cremad.doctor(copy)
    assert {kind for kind, _ in found(report)} == {"split-file"}


def test_no_folder(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        cremad.doctor(tmp_path / "none")
