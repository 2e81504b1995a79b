import numpy as np
import pytest
import soundfile

from keras_balance import data as datasets
from keras_balance.data.cremad import choose_frames
from keras_balance.data.cremad import tile
from keras_balance.data.decoding.media import read_audio
from keras_balance.data.decoding.media import read_frames
from keras_balance.errors import UsageError

cremad = datasets.get("cremad")


def test_rows_are_the_decoded_files(demo, whole):
    prepared = whole[1]
    assert prepared.names == sorted(prepared.names) and len(prepared) == 36
    for i in (0, 17, 35):
        name = prepared.names[i]
        wave = read_audio(demo / "AudioWAV" / f"{name}.wav", 22050)
        expected = np.concatenate([wave] * 3)[:66150]
        np.testing.assert_array_equal(prepared.arrays["audio"][i], expected)
        frames = read_frames(demo / "VideoFlash" / f"{name}.flv")
        frames = np.concatenate([frames, frames[-1:], frames[-1:]])[:3]
        np.testing.assert_array_equal(prepared.arrays["visual"][i], frames)
        emotion = name.split("_")[2]
        assert "NEU HAP SAD FEA DIS ANG".split()[prepared.labels[i]] == emotion
    assert prepared.labels.dtype == np.int32
    assert prepared.skipped == []


def test_short_clips_are_listed(demo, whole):
    short = [
        path.stem
        for path in sorted((demo / "VideoFlash").glob("*.flv"))
        if len(read_frames(path)) < 3
    ]
    assert short
    listed = [text.partition(":")[0] for text in whole[1].warnings]
    assert listed == short


def test_genuine_wavs_are_tiled(real, tmp_path):
    for path in sorted((real / "cremad" / "AudioWAV").glob("*.wav")):
        wave = read_audio(path, 22050)
        tiled = tile(wave, 66150)
        # The authors' rule: three copies, cut to 3 s, clipped.
        expected = np.clip(np.tile(wave, 3)[:66150], -1, 1)
        np.testing.assert_array_equal(tiled, expected)
        assert tiled.dtype == np.float32


def test_tile_clips():
    wave = np.array([1.5, -2.0, 0.5], "float32")
    np.testing.assert_array_equal(tile(wave, 4), [1, -1, 0.5, 1])


@pytest.mark.parametrize(
    "available, wanted, expected",
    [
        (3, 1, [0]),
        (3, 3, [0, 1, 2]),
        (5, 3, [0, 2, 4]),
        (4, 3, [0, 2, 3]),
        (60, 3, [0, 30, 59]),
        (2, 3, [0, 1, 1]),
        (1, 3, [0, 0, 0]),
        (7, 2, [0, 6]),
    ],
)
def test_choice_of_frames(available, wanted, expected):
    assert choose_frames(available, wanted).tolist() == expected


def test_a_silent_clip_is_refused_unless_published(
    copy, settings, tmp_path, monkeypatch
):
    wav = sorted((copy / "AudioWAV").glob("*.wav"))[7]
    data = wav.read_bytes()
    wav.write_bytes(data[:44] + bytes(len(data) - 44))
    with pytest.raises(UsageError, match=f"silent: {wav}"):
        cremad.prepare(copy, tmp_path / "a", settings)
    monkeypatch.setitem(cremad.known, wav.stem, "silent")
    prepared = cremad.prepare(copy, tmp_path / "b", settings)
    assert f"{wav.stem}: silent, as published; kept." in prepared.warnings


def test_sound_much_shorter_than_the_pictures_is_said(copy, settings, tmp_path):
    wav = sorted((copy / "AudioWAV").glob("*.wav"))[0]
    wave, rate = soundfile.read(wav)
    soundfile.write(wav, wave[: len(wave) // 5], rate)
    warnings = cremad.prepare(copy, tmp_path / "a", settings).warnings
    (said,) = [text for text in warnings if "may be cut" in text]
    seconds = len(wave) // 5 / rate
    assert said.startswith(f"{wav.stem}: the sound lasts {seconds:.1f} s")
