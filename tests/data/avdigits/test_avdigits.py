import shutil

import numpy as np
import pytest

from keras_balance import data as datasets
from keras_balance.data.decoding.idx import read_idx
from keras_balance.data.decoding.idx import write_idx
from keras_balance.data.decoding.media import read_audio
from keras_balance.data.loading.splits import PARTS
from keras_balance.errors import UsageError

avdigits = datasets.get("avdigits")

Settings = avdigits.Settings


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def copy(digits, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(digits, folder)
    return folder


def facts(name):
    """(image name, digit, speaker, index) of a sample's name."""
    image, _, recording = name.partition("+")
    digit, speaker, index = recording.split("_")
    return image, int(digit), speaker, int(index)


def check_pairs(prepared, result, folder):
    for i in range(0, len(prepared), len(prepared) // 23):
        image, digit, _, _ = facts(prepared.names[i])
        assert digit == prepared.labels[i]
        recording = prepared.names[i].partition("+")[2]
        wave = read_audio(folder / f"{recording}.wav", 8000)[:8000]
        expected = np.pad(wave, (0, 8000 - len(wave)))
        np.testing.assert_array_equal(prepared.arrays["audio"][i], expected)
    everything = np.concatenate([getattr(result, part) for part in PARTS])
    assert np.array_equal(np.sort(everything), np.arange(len(prepared)))


def test_real_digits(real, cache):
    prepared = avdigits.prepare(real, cache, Settings())
    result = avdigits.split(prepared, real, Settings())
    assert [len(getattr(result, p)) for p in PARTS] == [4200, 600, 1200]
    assert prepared.arrays["audio"].shape == (6000, 8000)
    assert prepared.arrays["visual"].shape == (6000, 28, 28)
    assert prepared.labels.dtype == np.int32
    check_pairs(prepared, result, real / "fsdd" / "recordings")
    images = read_idx(real / "mnist" / "t10k-open-images-idx3-ubyte.gz", 3)
    # 70/10/20 by index: sample i is image i.
    np.testing.assert_array_equal(prepared.arrays["visual"][:], images)
    indices = {
        p: {facts(prepared.names[i])[3] for i in getattr(result, p)}
        for p in PARTS
    }
    assert indices["test"] == set(range(5))
    assert indices["validation"] == set(range(5, 10))
    assert indices["train"] == set(range(10, 50))
    assert "split 70/10/20 by index" in "\n".join(result.description)
    # Each of the 2,000 recordings is stored once.
    stored = np.load(prepared.folder / "audio.npy", mmap_mode="r")
    assert stored.shape == (2000, 8000)


def test_real_digits_by_speaker(real, cache):
    settings = Settings(split="speakers")
    prepared = avdigits.prepare(real, cache, settings)
    result = avdigits.split(prepared, real, settings)
    check_pairs(prepared, result, real / "fsdd" / "recordings")
    speakers = {
        p: {facts(prepared.names[i])[2] for i in getattr(result, p)}
        for p in PARTS
    }
    assert speakers == {
        "train": {"george", "jackson"},
        "validation": {"nicolas"},
        "test": {"theo"},
    }
    assert "test theo" in "\n".join(result.description)


@pytest.mark.parametrize(
    ("fold", "test", "validation"),
    [(0, "dan", "cleo"), (1, "cleo", "ben"), (3, "ada", "dan")],
)
def test_a_fold_is_another_test_speaker(digits, cache, fold, test, validation):
    settings = Settings(split="speakers", fold=fold)
    prepared = avdigits.prepare(digits, cache, settings)
    result = avdigits.split(prepared, digits, settings)
    found = {
        part: {facts(prepared.names[i])[2] for i in getattr(result, part)}
        for part in PARTS
    }
    assert found["test"] == {test} and found["validation"] == {validation}
    assert found["train"] == {"ada", "ben", "cleo", "dan"} - {test, validation}


def test_folds_that_there_are_not(digits, cache):
    with pytest.raises(ValueError, match="Folds are of split='speakers'"):
        Settings(fold=1)
    settings = Settings(split="speakers", fold=4)
    with pytest.raises(UsageError, match="a fold from 0 to 3, one for each"):
        avdigits.prepare(digits, cache, settings)


def test_both_splits_share_the_shards(digits, cache):
    a = avdigits.prepare(digits, cache, Settings())
    b = avdigits.prepare(digits, cache, Settings(split="speakers"))
    assert a.folder == b.folder
    assert a.checksum != b.checksum


def test_pairing_depends_on_the_seed_only(digits, cache, tmp_path):
    first = avdigits.prepare(digits, cache, Settings())
    again = avdigits.prepare(digits, tmp_path, Settings())
    other = avdigits.prepare(digits, cache, Settings(seed=1))
    assert first.names == again.names and first.checksum == again.checksum
    assert first.names != other.names


def test_number_of_samples(digits, cache):
    settings = Settings(samples=100)
    prepared = avdigits.prepare(digits, cache, settings)
    result = avdigits.split(prepared, digits, settings)
    assert [len(getattr(result, p)) for p in PARTS] == [70, 10, 20]
    settings = Settings(samples=201)
    prepared = avdigits.prepare(digits, cache, settings)
    assert len(prepared) == 200
    assert "samples=201 has no effect." in "\n".join(prepared.notes)
    with pytest.raises(ValueError, match="samples=3"):
        Settings(samples=3)


def test_mnists_own_parts(copy, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (300, 28, 28), "uint8")
    # Uncompressed and in DATA_DIR itself, as the layout allows.
    for path in (copy / "mnist").iterdir():
        path.rename(copy / path.name)
    write_idx(copy / "train-images-idx3-ubyte", pixels)
    write_idx(copy / "train-labels-idx1-ubyte", np.arange(300) % 10)
    prepared = avdigits.prepare(copy, tmp_path / "cache", Settings())
    result = avdigits.split(prepared, copy, Settings())
    assert [len(getattr(result, p)) for p in PARTS] == [270, 30, 200]
    names = {
        p: {facts(prepared.names[i])[0][:5] for i in getattr(result, p)}
        for p in PARTS
    }
    assert names == {
        "train": {"train"},
        "validation": {"train"},
        "test": {"t10k-"},
    }
    counts = np.bincount(prepared.labels[result.validation])
    assert counts.tolist() == [3] * 10
    for i in result.train[::50]:
        row = int(facts(prepared.names[i])[0][-5:])
        np.testing.assert_array_equal(prepared.arrays["visual"][i], pixels[row])


def test_broken_recordings(copy, tmp_path):
    wavs = sorted((copy / "fsdd" / "recordings").glob("*.wav"))
    wavs[0].write_bytes(b"")
    wavs[9].write_bytes(wavs[9].read_bytes()[:200])
    with pytest.raises(UsageError, match="2 broken or missing"):
        avdigits.prepare(copy, tmp_path / "cache", Settings())
    prepared = avdigits.prepare(
        copy, tmp_path / "cache", Settings(), on_error="skip"
    )
    assert [p.path for p in prepared.skipped] == [wavs[0].stem, wavs[9].stem]
    used = {name.partition("+")[2] for name in prepared.names}
    assert not used & {wavs[0].stem, wavs[9].stem}
    check_pairs(
        prepared, avdigits.split(prepared, copy, Settings()), wavs[0].parent
    )


@pytest.mark.parametrize(
    "what, text",
    [
        ("recordings", "expected spoken digits"),
        ("images", "expected handwritten digits"),
        ("labels", "expected the labels t10k-labels-idx1-ubyte[.gz]"),
        ("label 10", "expected labels from 0 to 9. Received: 10 at position 3"),
        ("count", "expected 200 labels"),
        ("size", "expected images of 28 x 28. Received: shape=(200, 8, 8)"),
        ("digit", "expected a recording of the digit 4 in test"),
        ("speakers", "expected at least 3 speakers"),
    ],
)
def test_bad_folders(copy, tmp_path, what, text):
    images = copy / "mnist" / "t10k-images-idx3-ubyte.gz"
    labels = copy / "mnist" / "t10k-labels-idx1-ubyte.gz"
    recordings = copy / "fsdd" / "recordings"
    gone = []
    if what == "recordings":
        shutil.rmtree(recordings)
    elif what == "images":
        images.unlink()
    elif what == "labels":
        labels.unlink()
    elif what == "label 10":
        changed = read_idx(labels, 1).copy()
        changed[3] = 10
        write_idx(labels, changed)
    elif what == "count":
        write_idx(labels, read_idx(labels, 1)[1:])
    elif what == "size":
        write_idx(images, np.zeros((200, 8, 8)))
    elif what == "digit":
        gone = [*recordings.glob("4_*_[0-4].wav")]
    else:
        gone = [*recordings.glob("*_[ab]*.wav")]
    for path in gone:
        path.unlink()
    settings = Settings(split="speakers" if what == "speakers" else "official")
    with pytest.raises(UsageError) as caught:
        avdigits.prepare(copy, tmp_path / "cache", settings)
    assert text in str(caught.value)


def test_a_setting_without_effect_is_said(digits, cache):
    prepared = avdigits.prepare(digits, cache, Settings(validation=0.3))
    assert "by index. validation=0.3 has no effect." in prepared.notes[1]


@pytest.mark.parametrize(
    "values",
    [
        {"split": "paper"},
        {"sample_rate": 0},
        {"seconds": 0.0},
        {"seconds": float("nan")},
        {"validation": 1.0},
        {"samples": 29},
    ],
)
def test_settings_out_of_range(values):
    ((name, value),) = values.items()
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        Settings(**values)
    with pytest.raises(UsageError, match=f"Data set avdigits: {name} must"):
        avdigits.settings(**values)


def test_doctor(copy):
    report = avdigits.doctor(copy)
    assert report.ok
    assert report.counts["recordings"] == {"found": 440, "published": 3000}
    wav = copy / "fsdd" / "recordings" / "0_ada_0.wav"
    wav.write_bytes(wav.read_bytes()[:300])
    labels = copy / "mnist" / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(labels.read_bytes()[:-9])
    report = avdigits.doctor(copy)
    errors = {
        (p.kind, p.path) for p in report.problems if p.severity == "error"
    }
    assert errors == {
        ("truncated", "fsdd/recordings/0_ada_0.wav"),
        ("truncated", "mnist/t10k-labels-idx1-ubyte.gz"),
    }
    assert not report.ok


def test_doctor_finds_copies_across_parts(copy):
    """A training recording, and a training image, again in the test part."""
    recordings = copy / "fsdd" / "recordings"
    shutil.copy(recordings / "3_ada_10.wav", recordings / "3_ben_0.wav")
    path = copy / "mnist" / "t10k-images-idx3-ubyte.gz"
    labels = read_idx(copy / "mnist" / "t10k-labels-idx1-ubyte.gz", 1)
    train = int(np.flatnonzero(labels[:140] == 4)[0])
    test = 160 + int(np.flatnonzero(labels[160:] == 4)[0])
    pixels = read_idx(path, 3).copy()
    pixels[test] = pixels[train]
    write_idx(path, pixels)
    report = avdigits.doctor(copy)
    errors = {p.kind: p for p in report.problems if p.severity == "error"}
    assert set(errors) == {
        "same-audio-in-two-parts",
        "same-visual-in-two-parts",
    }
    assert "3_ada_10 (train), 3_ben_0 (test)" in (
        errors["same-audio-in-two-parts"].message
    )
    assert f"t10k-{train:05d} (train), t10k-{test:05d} (test)" in (
        errors["same-visual-in-two-parts"].message
    )


def test_doctor_on_real_digits(real):
    report = avdigits.doctor(real)
    assert report.ok
    assert report.counts["recordings by speaker"] == {
        name: 500 for name in ("george", "jackson", "nicolas", "theo")
    }
