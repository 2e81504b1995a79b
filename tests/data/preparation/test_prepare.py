import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from keras_balance import data as datasets
from keras_balance.data.preparation import shards
from keras_balance.errors import UsageError

cremad = datasets.get("cremad")


def content(folder):
    """The bytes of every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_second_call_decodes_nothing(demo, settings, whole, monkeypatch):
    cache, prepared = whole
    monkeypatch.setattr(type(cremad), "decode", None)
    again = cremad.prepare(demo, cache, settings)
    assert again.checksum == prepared.checksum
    assert again.folder == prepared.folder


def test_a_copy_elsewhere_uses_the_same_shards(copy, settings, whole):
    cache, prepared = whole
    assert cremad.prepare(copy, cache, settings).folder == prepared.folder


def test_a_changed_file_gives_other_shards(copy, settings, whole):
    cache, prepared = whole
    wavs = sorted((copy / "AudioWAV").glob("*.wav"))
    wavs[1].write_bytes(wavs[0].read_bytes())
    other = cremad.prepare(copy, cache, settings)
    assert other.folder != prepared.folder
    assert other.checksum != prepared.checksum
    np.testing.assert_array_equal(
        other.arrays["audio"][1], prepared.arrays["audio"][0]
    )


def test_another_front_end_gives_other_shards(demo, whole):
    cache, prepared = whole
    settings = cremad.Settings(frame_size=(24, 36), frames=1, sample_rate=8000)
    other = cremad.prepare(demo, cache, settings)
    assert other.folder != prepared.folder
    assert other.arrays["visual"].shape == (36, 1, 24, 36, 3)
    assert other.arrays["audio"].shape == (36, 24000)


PREPARE = """
import os, signal, sys
from keras_balance import data as datasets
cremad = datasets.get("cremad")
from keras_balance.data.preparation import shards
shards.ROWS_PER_SYNC = 4
data, cache, where = sys.argv[1:4]
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
progress = None
if where.isdigit():
    def progress(done, total, description):
        if description.startswith("decoding") and done == int(where):
            kill()
elif where == "replace":
    original = os.replace
    def replace(source, target):
        if str(source).endswith(".partial"):
            kill()
        original(source, target)
    os.replace = replace
elif where == "manifest":
    shards.write_json = kill
settings = cremad.Settings(frame_size=(32, 48))
cremad.prepare(data, cache, settings, workers=2, progress=progress)
"""


@pytest.mark.parametrize("where", [1, 6, 20, 36, "manifest", "replace"])
def test_a_killed_preparation_resumes(
    run, demo, settings, whole, tmp_path, where, monkeypatch
):
    killed = run(PREPARE, demo, tmp_path, where)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    folders = [p.suffix for p in tmp_path.iterdir() if p.is_dir()]
    assert folders == [".partial"]  # nothing that looks complete
    decoded, lock, original = [], threading.Lock(), type(cremad).decode

    def counted(self, item, *arguments):
        with lock:
            decoded.append(item.name)
        return original(self, item, *arguments)

    monkeypatch.setattr(type(cremad), "decode", counted)
    prepared = cremad.prepare(demo, tmp_path, settings, workers=2)
    assert content(prepared.folder) == content(whole[1].folder)
    kept = 36 if isinstance(where, str) else where // 4 * 4
    assert len(decoded) == 36 - kept
    assert not list(tmp_path.glob("*.partial"))


def test_a_journal_line_cut_short_is_forgotten(
    run, demo, settings, whole, tmp_path
):
    run(PREPARE, demo, tmp_path, 20)
    (journal,) = tmp_path.glob("*.partial/" + shards.JOURNAL)
    journal.write_text(journal.read_text()[:-30])
    prepared = cremad.prepare(demo, tmp_path, settings)
    assert content(prepared.folder) == content(whole[1].folder)


def test_damaged_shards_are_made_again(demo, settings, whole, tmp_path):
    prepared = cremad.prepare(demo, tmp_path, settings)
    path = prepared.folder / "audio.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UsageError, match="is damaged: expected audio.npy of"):
        shards.open_shards(prepared.folder)
    again = cremad.prepare(demo, tmp_path, settings)
    assert content(again.folder) == content(whole[1].folder)


def test_changed_bytes_are_found_on_request(demo, settings, tmp_path):
    prepared = cremad.prepare(demo, tmp_path, settings)
    with open(prepared.folder / "visual.npy", "rb+") as file:
        file.seek(5000)
        file.write(b"\xff\x00\xff")
    shards.open_shards(prepared.folder)
    with pytest.raises(UsageError, match="sha256 of visual.npy differs"):
        shards.open_shards(prepared.folder, verify=True)


def test_all_broken_files_are_listed_once(copy, settings, tmp_path):
    wavs = sorted((copy / "AudioWAV").glob("*.wav"))
    flvs = sorted((copy / "VideoFlash").glob("*.flv"))
    wavs[0].unlink()
    wavs[1].write_bytes(b"")
    wavs[2].write_bytes(wavs[2].read_bytes()[:-99])
    flvs[3].write_bytes(flvs[3].read_bytes()[:3000])
    flvs[4].write_text("version https://git-lfs.github.com/spec/v1\noid")
    with pytest.raises(UsageError) as caught:
        cremad.prepare(copy, tmp_path / "cache", settings)
    message = caught.value.message
    assert "preparing cremad: 5 broken or missing" in message
    for kind, path in [
        ("missing", wavs[0]),
        ("empty", wavs[1]),
        ("truncated", wavs[2]),
        ("truncated", flvs[3]),
        ("lfs-stub", flvs[4]),
    ]:
        assert f"{kind}: {path}" in message
    assert "--on-error skip" in caught.value.hint
    assert not list((tmp_path / "cache").glob("*/" + shards.MANIFEST))


def test_more_than_twenty_are_counted(copy, settings, tmp_path):
    for path in sorted((copy / "AudioWAV").glob("*.wav"))[:25]:
        path.write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        cremad.prepare(copy, tmp_path / "cache", settings)
    assert caught.value.message.count("empty: ") == 20
    assert "25 broken" in caught.value.message
    assert "... and 5 more" in caught.value.message


def test_skip_leaves_broken_clips_out(copy, settings, whole, tmp_path):
    wavs = sorted((copy / "AudioWAV").glob("*.wav"))
    wavs[5].write_bytes(b"")
    cache = tmp_path / "cache"
    prepared = cremad.prepare(copy, cache, settings, on_error="skip")
    assert [p.path for p in prepared.skipped] == [wavs[5].stem]
    assert [p.kind for p in prepared.skipped] == ["empty"]
    assert len(prepared) == 35 and wavs[5].stem not in prepared.names
    rest = np.delete(np.arange(36), 5)
    for name, array in prepared.arrays.items():
        assert array.shape == (35, *whole[1].arrays[name].shape[1:])
        np.testing.assert_array_equal(array[:], whole[1].arrays[name][rest])
    np.testing.assert_array_equal(prepared.labels, whole[1].labels[rest])
    cut = cremad.split(prepared, copy, settings)
    assert any("1 of them skipped" in text for text in cut.description)
    # The same shards are refused where broken clips are not accepted.
    with pytest.raises(UsageError, match="1 broken or missing"):
        cremad.prepare(copy, cache, settings)


def test_a_mended_file_is_all_that_is_decoded_again(
    copy, settings, whole, tmp_path, monkeypatch
):
    wav = sorted((copy / "AudioWAV").glob("*.wav"))[5]
    good = wav.read_bytes()
    wav.write_bytes(b"")
    cache = tmp_path / "cache"
    with pytest.raises(UsageError):
        cremad.prepare(copy, cache, settings)
    wav.write_bytes(good)
    decoded, original = [], type(cremad).decode

    def counted(self, item, *arguments):
        decoded.append(item.name)
        return original(self, item, *arguments)

    monkeypatch.setattr(type(cremad), "decode", counted)
    prepared = cremad.prepare(copy, cache, settings)
    assert decoded == [wav.stem]
    assert content(prepared.folder) == content(whole[1].folder)


def test_nothing_left(copy, settings, tmp_path):
    for path in (copy / "AudioWAV").glob("*.wav"):
        path.write_bytes(b"")
    with pytest.raises(UsageError, match="no sample is left"):
        cremad.prepare(copy, tmp_path / "c", settings, on_error="skip")


@pytest.mark.parametrize("make", [False, True])
def test_no_data(tmp_path, settings, make):
    folder = tmp_path / "none"
    if make:
        folder.mkdir()
    with pytest.raises(UsageError) as caught:
        cremad.prepare(folder, tmp_path / "cache", settings)
    assert str(folder) in caught.value.message
    assert "keras-balance data fetch cremad" in caught.value.hint


def test_bad_arguments(demo, settings, tmp_path):
    with pytest.raises(ValueError, match="on_error='ignore'"):
        cremad.prepare(demo, tmp_path, settings, on_error="ignore")
    for values in (
        {"split": "papers"},
        {"frames": 0},
        {"validation": 2},
        {"seconds": -1},
    ):
        ((name, value),) = values.items()
        with pytest.raises(ValueError, match=f"{name}={value!r}"):
            cremad.Settings(**values)
    with pytest.raises(ValueError, match="frame_size=0"):
        cremad.Settings(frame_size=(0, 48))


def test_two_processes_prepare_one_set_once(demo, tmp_path, settings):
    code = PREPARE.replace("shards.ROWS_PER_SYNC = 4", "")
    command = [sys.executable, "-c", code, demo, tmp_path, "never"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(list(tmp_path.glob("cremad-*/" + shards.MANIFEST))) == 1
