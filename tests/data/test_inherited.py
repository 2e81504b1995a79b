"""What a data set inherits, on the smallest one there is."""

import hashlib
import os
import shutil

import numpy as np
import pytest

from keras_balance.data import Input
from keras_balance.data import Item
from keras_balance.data.loading.batches import BatchDataset
from keras_balance.data.loading.splits import PARTS
from keras_balance.data.loading.splits import cut_groups
from keras_balance.errors import UsageError


def found(report, severity="error"):
    return {(p.kind, p.path) for p in report.problems if p.severity == severity}


def test_prepare_and_split(tones, tones_folder, tmp_path):
    settings = tones.Settings()
    prepared = tones.prepare(tones_folder, tmp_path / "c", settings)
    assert prepared.names == sorted(prepared.names) and len(prepared) == 48
    values, _ = tones.decode(tones.items(tones_folder, settings)[7], settings)
    for name, leaf in tones.inputs(settings).items():
        np.testing.assert_array_equal(prepared.arrays[name][7], values[name])
        assert prepared.arrays[name].shape[1:] == leaf.shape
        assert prepared.arrays[name].dtype == leaf.dtype
    cut = tones.split(prepared, tones_folder, settings)
    assert [len(getattr(cut, part)) for part in PARTS] == [16, 16, 16]
    singers = [{prepared.groups[i] for i in getattr(cut, p)} for p in PARTS]
    assert singers[2] == {"cleo"} and not singers[0] & singers[1]
    assert "16 samples cut from train, whole groups" in cut.description[-1]


def test_without_validation(tones, tones_folder, tmp_path):
    settings = tones.Settings(validation=0.0)
    prepared = tones.prepare(tones_folder, tmp_path / "c", settings)
    cut = tones.split(prepared, tones_folder, settings)
    assert [len(getattr(cut, part)) for part in PARTS] == [32, 0, 16]


def test_without_groups_the_cut_is_stratified(
    tones, tones_folder, tmp_path, monkeypatch
):
    original = type(tones).items

    def ungrouped(self, *arguments):
        return [
            Item(i.name, i.label, i.files, i.part)
            for i in original(self, *arguments)
        ]

    monkeypatch.setattr(type(tones), "items", ungrouped)
    settings = tones.Settings(validation=0.25)
    prepared = tones.prepare(tones_folder, tmp_path / "c", settings)
    cut = tones.split(prepared, tones_folder, settings)
    assert np.bincount(prepared.labels[cut.validation]).tolist() == [4, 4]


def test_a_label_may_be_an_array(tones, tones_folder, tmp_path, monkeypatch):
    original = type(tones).items

    def measured(self, *arguments):
        return [
            Item(i.name, np.array([i.label, 0.5], "float32"), i.files, i.part)
            for i in original(self, *arguments)
        ]

    monkeypatch.setattr(type(tones), "items", measured)
    prepared = tones.prepare(tones_folder, tmp_path / "c", tones.Settings())
    assert prepared.labels.shape == (48, 2)
    assert prepared.labels.dtype == np.float32
    _, y = BatchDataset(prepared, np.arange(48), 5)[0]
    np.testing.assert_array_equal(y, prepared.labels[:5])
    assert y.dtype == np.float32


def test_a_modality_of_several_arrays(
    tones, tones_folder, tmp_path, monkeypatch
):
    """Token ids and a mask: stored apart, given together, judged as one."""
    kind = type(tones)
    inputs, decode = kind.inputs, kind.decode

    def inputs_of_two(self, settings):
        ids, mask = Input((8,), "int32"), Input((8,), "bool")
        text = {"ids": ids, "mask": mask}
        return {"audio": inputs(self, settings)["audio"], "text": text}

    def decode_two(self, item, settings, rng=None):
        values, warnings = decode(self, item, settings)
        ids = values.pop("visual")[0].astype("int32")
        return {**values, "text": {"ids": ids, "mask": ids > -1}}, warnings

    monkeypatch.setattr(kind, "inputs", inputs_of_two)
    monkeypatch.setattr(kind, "decode", decode_two)
    settings = tones.Settings()
    prepared = tones.prepare(tones_folder, tmp_path / "c", settings)
    x, _ = BatchDataset(prepared, np.arange(48), 5)[2]
    values, _ = tones.decode(tones.items(tones_folder, settings)[11], settings)
    assert x["text"]["mask"].shape == (5, 8) and x["text"]["mask"].all()
    np.testing.assert_array_equal(x["text"]["ids"][1], values["text"]["ids"])
    np.testing.assert_array_equal(x["audio"][1], values["audio"])
    assert tones.doctor(tones_folder).ok  # the masks are all the same


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
        ("undecodable", arrays[3].stem),
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
        ("missing", "audio/train_ann_high_00.wav"),
        ("missing", "audio/train_ann_high_01.wav"),
        ("missing", "audio/train_ann_high_02.wav"),
        ("empty", "visual/train_ann_high_02.npy"),
        ("missing", f"visual/{odd}.npy"),
    }
    assert "\\udcff" in report.to_json()


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


def test_not_here(tones, tmp_path):
    for folder, text in ((tmp_path, "has none"), (tmp_path / "a", "not exist")):
        with pytest.raises(UsageError, match=text) as caught:
            tones.prepare(folder, tmp_path / "c", tones.Settings())
        assert "keras-balance data fetch tones" in caught.value.hint


def test_what_cannot_be_fetched_is_said(tones, tmp_path):
    with pytest.raises(UsageError, match="Tones and pictures is not free") as e:
        tones.fetch(tmp_path)
    assert "audio: this package's write_demo writes it" in e.value.message


def test_a_set_must_say_what_it_is(tones):
    base = type(tones).__mro__[1](tones)
    with pytest.raises(NotImplementedError, match="DataSet must define items"):
        base.items(None, None)


@pytest.mark.parametrize("fraction, count", [(0.01, 1), (0.5, 3), (0.99, 6)])
def test_groups_are_cut_whole(fraction, count):
    groups = [f"g{k % 6}" for k in range(30)]
    rest, part = cut_groups(groups, np.arange(30), fraction, seed=1)
    assert len({groups[i] for i in part}) == count
    assert not {groups[i] for i in part} & {groups[i] for i in rest}
    assert sorted([*rest, *part]) == list(range(30))
    again = cut_groups(groups, np.arange(30), fraction, seed=1)[1]
    np.testing.assert_array_equal(part, again)
