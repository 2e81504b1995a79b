"""What every doctor finds, on the smallest data set there is."""

import hashlib
import os
import shutil


def found(report, severity="error"):
    return {(p.kind, p.path) for p in report.problems if p.severity == severity}


def test_a_sound_copy(tones, tones_folder):
    seen = []
    report = tones.doctor(tones_folder, progress=lambda *a: seen.append(a))
    assert report.ok and report.problems == []
    assert report.counts["test"]["found"] == {"high": 8, "low": 8}
    assert report.counts["checksums"] == "none"
    assert seen[-1] == (3 * 48, 3 * 48, "examining Tones and pictures")


def test_broken_files_and_counts(tones, tones_folder):
    wavs = sorted((tones_folder / "audio").iterdir())
    arrays = sorted((tones_folder / "visual").iterdir())
    wavs[0].unlink()
    arrays[0].unlink()  # the sample is gone
    wavs[1].unlink()
    wavs[2].write_bytes(wavs[2].read_bytes()[:-100])
    arrays[3].write_bytes(b"no array")
    report = tones.doctor(tones_folder)
    assert found(report) == {
        ("missing", f"audio/{wavs[1].name}"),
        ("truncated", f"audio/{wavs[2].name}"),
        ("unreadable", arrays[3].stem),
    }
    assert found(report, "note") == {("class-counts", "test")}


def test_odd_names_end_no_examination(tones, tones_folder):
    """A folder, a link to itself and a name that is not UTF-8."""
    audio, visual = tones_folder / "audio", tones_folder / "visual"
    (audio / "train_ann_high_00.wav").unlink()
    (audio / "train_ann_high_00.wav").mkdir()
    (audio / "train_ann_high_01.wav").unlink()
    (audio / "train_ann_high_01.wav").symlink_to("train_ann_high_01.wav")
    odd = os.fsdecode(b"train_ann_high_\xff")
    (audio / "train_ann_high_02.wav").rename(audio / f"{odd}.wav")
    (visual / "train_ann_high_02.npy").write_bytes(b"")
    report = tones.doctor(tones_folder)
    assert found(report) == {
        ("not-a-file", "audio/train_ann_high_00.wav"),
        ("missing", "audio/train_ann_high_01.wav"),
        ("missing", "audio/train_ann_high_02.wav"),
        ("empty", "visual/train_ann_high_02.npy"),
        ("missing", "visual/train_ann_high_\\xff.npy"),
    }
    assert "high_\\\\xff" in report.to_json()


def test_content_in_two_parts(tones, tones_folder):
    """Equal labels too, for each modality, whatever the file's other bytes."""
    audio, visual = tones_folder / "audio", tones_folder / "visual"
    train, test = "train_ann_high_00", "test_cleo_high_00"
    wave = (audio / f"{train}.wav").read_bytes()
    tag = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    size = (len(wave) + len(tag) - 8).to_bytes(4, "little")
    (audio / f"{test}.wav").write_bytes(wave[:4] + size + wave[8:] + tag)
    report = tones.doctor(tones_folder)
    assert found(report) == {("same-audio-in-two-parts", test)}
    assert f"{test} (test), {train} (train)" in report.problems[0].message
    shutil.copy(visual / f"{train}.npy", visual / f"{test}.npy")
    report = tones.doctor(tones_folder)
    assert {kind for kind, _ in found(report)} == {
        "same-audio-in-two-parts",
        "same-visual-in-two-parts",
    }


def test_a_copy_within_a_part_is_fine(tones, tones_folder):
    audio = tones_folder / "audio"
    for number in (0, 1):
        source = audio / "train_ann_high_02.wav"
        shutil.copy(source, audio / f"train_bea_high_0{number}.wav")
    assert tones.doctor(tones_folder).problems == []


def test_copies_under_two_labels_are_noted(tones, tones_folder):
    visual = tones_folder / "visual"
    shutil.copy(
        visual / "train_ann_high_02.npy", visual / "train_ann_low_02.npy"
    )
    report = tones.doctor(tones_folder)
    assert found(report, "note") == {("same-visual", "train_ann_high_02")}


def test_groups_in_two_parts(tones, tones_folder):
    for folder, end in (("audio", ".wav"), ("visual", ".npy")):
        path = tones_folder / folder / f"test_cleo_low_00{end}"
        path.rename(path.with_name(f"test_ann_low_00{end}"))
    report = tones.doctor(tones_folder)
    (problem,) = report.problems
    assert problem.kind == "groups-in-two-parts"
    assert problem.message.endswith(": ann")


def test_what_is_known_is_a_note(tones, tones_folder, monkeypatch):
    monkeypatch.setattr(tones, "known", {"train_ann_low_03": "it is noise"})
    wav = tones_folder / "audio" / "train_ann_low_03.wav"
    data = wav.read_bytes()
    wav.write_bytes(data[:44] + bytes(len(data) - 44))
    report = tones.doctor(tones_folder)
    assert report.ok
    assert found(report, "note") == {
        ("silent", "audio/train_ann_low_03.wav"),
        ("known-bad", "train_ann_low_03"),
    }


def test_a_manifest(tones, tones_folder):
    rows = ["path,sha256,size"]
    for path in sorted(tones_folder.rglob("*.*")):
        data = path.read_bytes()
        name = path.relative_to(tones_folder).as_posix()
        rows.append(f"{name},{hashlib.sha256(data).hexdigest()},{len(data)}")
    rows.append(f"audio/gone.wav,{'0' * 64},5")
    (tones_folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    picture = tones_folder / "visual" / "train_ann_low_03.npy"
    data = bytearray(picture.read_bytes())
    data[-1] ^= 1
    picture.write_bytes(data)
    assert found(tones.doctor(tones_folder)) == {
        ("missing", "audio/gone.wav"),
        ("wrong-sha256", "visual/train_ann_low_03.npy"),
    }
