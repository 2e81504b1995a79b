import csv
import gzip
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from keras_balance import data as datasets
from keras_balance.data.cremad.names import CLASSES
from keras_balance.data.cremad.names import label_of
from keras_balance.data.cremad.names import parse
from keras_balance.data.cremad.split import PAPER_COUNTS
from keras_balance.data.cremad.split import PINNED_CRLF
from keras_balance.data.cremad.split import read_paper_split
from keras_balance.data.loading.splits import PARTS
from keras_balance.data.loading.splits import shared
from keras_balance.data.preparation.checksums import sha256_of
from keras_balance.errors import UsageError

cremad = datasets.get("cremad")

# The paper's list, counted independently: NEU HAP SAD FEA DIS ANG.
TRAIN = [973, 1148, 1131, 1138, 1142, 1166]
TEST = [114, 123, 140, 133, 129, 105]


@pytest.fixture(scope="module")
def everything(real):
    """The 7,442 published clips, as if prepared."""
    with gzip.open(real / "cremad" / "cremad_manifest.csv.gz", "rt") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    names = [p[9:-4] for p in sorted(paths) if p.startswith("AudioWAV/")]
    labels = np.array([label_of(name) for name in names], "int32")
    return SimpleNamespace(names=names, labels=labels, skipped=[])


@pytest.fixture
def lists(real, tmp_path):
    for path in (real / "cremad" / "splits_ogmge").glob("*.csv"):
        shutil.copy(path, tmp_path)
        (tmp_path / path.name).chmod(0o644)
    return tmp_path


def test_grammar_matches_every_published_clip(everything):
    assert len(everything.names) == 7442
    assert all(parse(name) for name in everything.names)
    counts = np.bincount(everything.labels)
    assert counts.tolist() == [1087, 1271, 1271, 1271, 1271, 1271]
    actors = {parse(name)["actor"] for name in everything.names}
    assert actors == {str(actor) for actor in range(1001, 1092)}


@pytest.mark.parametrize(
    "name", ["1001_DFA_ANG", "1001_DFA_ANG_XX.wav", "101_DFA_ANG_XX", "x"]
)
def test_grammar_refuses(name):
    assert parse(name) is None


def test_pinned_checksums(real):
    for part, prefix in (("train", "68d0d3fd"), ("test", "14866c99")):
        path = real / "cremad" / "splits_ogmge" / f"{part}.csv"
        assert sha256_of(path) == PINNED_CRLF[part]
        assert PINNED_CRLF[part].startswith(prefix)


@pytest.mark.parametrize("ends", ["crlf", "lf"])
def test_the_papers_split(everything, lists, ends):
    if ends == "lf":
        for path in lists.glob("*.csv"):
            path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    result = cremad.split(everything, lists, cremad.Settings())
    assert (len(result.train), len(result.validation)) == (6028, 670)
    assert len(result.test) == 744
    rest = np.concatenate([result.train, result.validation])
    assert np.bincount(everything.labels[rest]).tolist() == TRAIN
    assert np.bincount(everything.labels[result.test]).tolist() == TEST
    assert [list(PAPER_COUNTS[p]) for p in ("train", "test")] == [TRAIN, TEST]
    everyone = np.concatenate([rest, result.test])
    assert np.array_equal(np.sort(everyone), np.arange(7442))
    # Stratified: each class within one clip of a tenth.
    cut = np.bincount(everything.labels[result.validation])
    assert np.all(np.abs(cut - 0.1 * np.array(TRAIN)) < 1)
    text = "\n".join(result.description)
    assert text.count("the authors' list.") == 2 and "Warning" not in text
    assert "91 actors are in more than one part" in text


def test_the_cut_is_the_same_every_time(everything, lists):
    first = cremad.split(everything, lists, cremad.Settings())
    again = cremad.split(everything, lists, cremad.Settings())
    other = cremad.split(everything, lists, cremad.Settings(split_seed=1))
    assert np.array_equal(first.validation, again.validation)
    assert not np.array_equal(first.validation, other.validation)
    assert np.array_equal(first.test, other.test)


def test_a_changed_list_is_reported(everything, lists):
    path = lists / "train.csv"
    path.write_text("\n".join(path.read_text().splitlines()[1:]))
    result = cremad.split(everything, lists, cremad.Settings())
    text = "\n".join(result.description)
    assert "sha256 of train.csv is not that of the authors' list" in text
    assert "1 prepared clips are in neither list." in text


def test_split_by_actor(everything):
    settings = cremad.Settings(split="actors")
    result = cremad.split(everything, None, settings)
    actors = {
        part: {everything.names[i][:4] for i in getattr(result, part)}
        for part in PARTS
    }
    assert shared(actors) == {}
    assert [len(actors[part]) for part in PARTS] == [69, 8, 14]
    assert sum(len(getattr(result, part)) for part in PARTS) == 7442
    for part in PARTS:
        assert set(everything.labels[getattr(result, part)]) == set(range(6))
    again = cremad.split(everything, None, settings)
    assert np.array_equal(again.test, result.test)


def test_too_few_actors():
    names = ["1001_DFA_ANG_XX", "1002_DFA_ANG_XX"]
    few = SimpleNamespace(names=names, labels=np.zeros(2, "int32"))
    with pytest.raises(UsageError, match="at least 3 actors"):
        cremad.split(few, None, cremad.Settings(split="actors"))


def test_absent_clips(everything, lists):
    gone = SimpleNamespace(
        names=everything.names[:-30],
        labels=everything.labels[:-30],
        skipped=[],
    )
    with pytest.raises(UsageError) as caught:
        cremad.split(gone, lists, cremad.Settings())
    assert "train.csv names clips that are not in" in caught.value.message
    assert "1091_" in caught.value.message
    assert "in all)" in caught.value.message
    assert "--on-error skip" in caught.value.hint


def test_a_listed_clip_without_files_is_found_by_prepare(demo, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(demo, folder)
    with open(folder / "test.csv", "a") as file:
        file.write("1091_WSI_SAD_XX,SAD\r\n")
    settings = cremad.Settings(frame_size=(32, 48))
    with pytest.raises(UsageError, match="missing: .*1091_WSI_SAD_XX.wav"):
        cremad.prepare(folder, tmp_path / "cache", settings)
    prepared = cremad.prepare(
        folder, tmp_path / "cache", settings, on_error="skip"
    )
    result = cremad.split(prepared, folder, settings)
    assert any("10 clips, 1 of them skipped" in t for t in result.description)


@pytest.mark.parametrize(
    "row, text",
    [
        ("name,label", "line 1: expected `clip,EMOTION`"),
        ("1001_DFA_ANG_XX", "expected the emotion of the clip's name, ANG"),
        ("1001_DFA_ANG_XX,SAD", "Received: '1001_DFA_ANG_XX,SAD'"),
        ("1001_DFA_ANG_XX,ANG\n1001_DFA_ANG_XX,ANG", "first on line 1"),
        ("", "an empty list"),
        ("1001_DFA_SAD_XX,SAD", "in both train.csv and test.csv"),
    ],
)
def test_bad_lists(tmp_path, row, text):
    (tmp_path / "train.csv").write_text(row + "\n")
    (tmp_path / "test.csv").write_text("1001_DFA_SAD_XX,SAD\n")
    with pytest.raises(UsageError) as caught:
        read_paper_split(tmp_path)
    assert text in str(caught.value)


def test_no_list(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_paper_split(tmp_path)
    assert "no file" in caught.value.message
    assert "--set split=actors" in caught.value.hint


def test_a_byte_order_mark_is_accepted(tmp_path):
    for part, clip in (
        ("train", "1001_DFA_ANG_XX"),
        ("test", "1002_DFA_ANG_XX"),
    ):
        (tmp_path / f"{part}.csv").write_bytes(
            b"\xef\xbb\xbf" + f"{clip},ANG\r\n\r\n".encode()
        )
    assert read_paper_split(tmp_path).parts["test"] == ["1002_DFA_ANG_XX"]


def test_class_order_is_that_of_the_authors():
    assert CLASSES == ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")
