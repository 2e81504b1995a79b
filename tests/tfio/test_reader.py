"""The tensorflow-io reader against the default one.

`bash tools/test_tfio.sh` makes the environment in which this runs.
"""

import concurrent.futures
import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_balance import data as datasets
from keras_balance.data.decoding import media
from keras_balance.data.decoding import readers
from keras_balance.data.decoding.files import MediaError

avdigits, cremad = map(datasets.get, ("avdigits", "cremad"))
REAL = "KERAS_BALANCE_TEST_DATA"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_io") is None,
    reason="needs TensorFlow 2.16 with tensorflow-io: tools/test_tfio.sh",
)


@pytest.fixture(scope="module")
def reader():
    return readers.get("tensorflow-io")


@pytest.fixture(scope="module")
def real_wavs():
    if not os.environ.get(REAL):
        pytest.skip(f"needs real media: {REAL} is not set")
    folder = Path(os.environ[REAL])
    digits = sorted((folder / "fsdd" / "recordings").glob("*.wav"))
    return sorted((folder / "cremad" / "AudioWAV").glob("*.wav")), digits[::100]


def test_waves_are_equal_at_their_own_rate(reader, real_wavs):
    clips, digits = real_wavs
    assert len(clips) == 4 and len(digits) == 20
    for paths, rate in ((clips, 16000), (digits, 8000)):
        for path in paths:
            expected = media.read_audio(path, rate)
            received = reader.read_audio(path, rate)
            assert received.dtype == np.float32
            np.testing.assert_array_equal(received, expected)


def test_resampled_waves_agree(reader, real_wavs):
    for path in real_wavs[0]:
        expected = media.read_audio(path, 22050)
        received = reader.read_audio(path, 22050)
        assert abs(len(received) - len(expected)) <= 1
        n = min(len(received), len(expected))
        error = np.std(received[:n] - expected[:n]) / np.std(expected)
        assert error < 0.05, path.name


def test_threads_get_their_own_samples(reader, tmp_path):
    paths = [tmp_path / f"{i}.wav" for i in range(400)]
    for i, path in enumerate(paths):
        soundfile.write(path, np.full(500, (i + 1) / 512), 8000)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        waves = pool.map(lambda path: reader.read_audio(path, 8000), paths)
        for i, wave in enumerate(waves):
            np.testing.assert_array_equal(wave, (i + 1) / 512)


@pytest.mark.parametrize(
    "kind", ["missing", "empty", "truncated", "silent", "undecodable"]
)
def test_bad_files_have_the_same_kind(reader, tmp_path, kind):
    path = tmp_path / "a.wav"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "undecodable":
        path.write_bytes(b"noise" * 1000)
    elif kind != "missing":
        soundfile.write(path, np.full(900, float(kind != "silent")), 8000)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    for module in (reader, media):
        with pytest.raises(MediaError) as caught:
            module.read_audio(path, 8000)
        assert caught.value.kind == kind


def test_data_sets_are_prepared_through_it(tmp_path):
    cremad.write_demo(tmp_path / "a", clips=24, actors=3, size=(16, 16))
    settings = cremad.Settings(
        sample_rate=16000, frame_size=(16, 16), reader="tensorflow-io"
    )
    by_tfio = cremad.prepare(tmp_path / "a", tmp_path / "c", settings)
    settings = cremad.Settings(sample_rate=16000, frame_size=(16, 16))
    by_pyav = cremad.prepare(tmp_path / "a", tmp_path / "c", settings)
    assert by_tfio.folder != by_pyav.folder
    for name, array in by_pyav.arrays.items():
        np.testing.assert_array_equal(by_tfio.arrays[name], array)
    avdigits.write_demo(tmp_path / "b", images=100, indices=11)
    digits = avdigits.prepare(
        tmp_path / "b",
        tmp_path / "c",
        avdigits.Settings(reader="tensorflow-io"),
    )
    assert len(digits) == 100
