import gzip

import pytest

from keras_balance import data as datasets
from keras_balance.data.preparation.manifests import pointers_in_git
from keras_balance.data.preparation.manifests import read_manifest
from keras_balance.errors import UsageError

cremad = datasets.get("cremad")


def test_the_published_manifest(real):
    path = real / "cremad" / "cremad_manifest.csv.gz"
    expected = read_manifest(path)
    with gzip.open(path, "rt") as file:
        assert len(expected) == sum(1 for _ in file) - 1 == 22326
    sizes = {}
    for name, (_, size) in expected.items():
        folder = name.split("/")[0]
        sizes[folder] = sizes.get(folder, 0) + size
    assert sizes["AudioWAV"] == 605_899_936
    assert sizes["VideoFlash"] == 2_443_021_141


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pointers_in_git(tmp_path, ["AudioWAV/a.wav"]) == {}


@pytest.mark.parametrize(
    "text, message",
    [
        ("path,size\n", "columns path,sha256,size"),
        ("path,sha256,size\na,b,c\n", "line 2: expected path,sha256,size"),
        (None, "expected a manifest"),
    ],
)
def test_bad_manifests(demo, tmp_path, text, message):
    path = tmp_path / "m.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message):
        cremad.doctor(demo, path)
