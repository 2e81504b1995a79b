import hashlib
import importlib

import pytest

from keras_balance import data as datasets
from keras_balance.data.preparation.manifests import read_manifest
from keras_balance.errors import UsageError

cremad = datasets.get("cremad")


# The modules: each set has a function of that name.
cremad_fetch = importlib.import_module("keras_balance.data.cremad.fetch")


@pytest.fixture
def published(server, demo, monkeypatch):
    """The demo set, served as CREMA-D is: lists, pointers and media."""
    state, url = server
    for path in demo.rglob("*.*"):
        data, name = path.read_bytes(), path.relative_to(demo).as_posix()
        sha256 = hashlib.sha256(data).hexdigest()
        if path.suffix == ".csv":
            state.files[f"lists/{name}"] = data
            monkeypatch.setitem(cremad_fetch.PINNED_CRLF, path.stem, sha256)
            continue
        state.files[f"media/{name}"] = data
        state.files[f"pointers/{name}"] = (
            "version https://git-lfs.github.com/spec/v1\n"
            f"oid sha256:{sha256}\nsize {len(data)}\n"
        ).encode()

    def run(folder, **more):
        cremad.fetch(
            folder,
            base_url=f"{url}/media/",
            pointers_url=f"{url}/pointers",
            lists_url=f"{url}/lists/",
            **more,
        )

    return state, run


def test_fetch_cremad(published, demo, tmp_path):
    state, run = published
    seen = []
    run(tmp_path, progress=lambda *a: seen.append(a))
    for path in demo.rglob("*.*"):
        copy = tmp_path / path.relative_to(demo)
        assert copy.read_bytes() == path.read_bytes()
    assert seen[-1] == (72, 72, "downloading CREMA-D")
    assert len(read_manifest(tmp_path / "manifest.csv")) == 72
    state.requests.clear()
    run(tmp_path)  # everything is there: nothing is asked for again
    assert state.requests == []


def test_fetch_cremad_goes_on(published, demo, tmp_path):
    state, run = published
    bad = sorted(n for n in state.files if n.startswith("media/Audio"))[:2]
    data = {name: state.files.pop(name) for name in bad}
    with pytest.raises(UsageError) as caught:
        run(tmp_path)
    assert caught.value.message.count("HTTP 404") == 2
    state.files.update(data)
    state.requests.clear()
    run(tmp_path)
    assert sorted(state.names()) == bad


def test_fetch_cremad_by_manifest(published, tmp_path):
    state, run = published
    run(tmp_path / "a")
    state.requests.clear()
    run(tmp_path / "b", manifest=tmp_path / "a" / "manifest.csv")
    assert not [n for n in state.names() if n.startswith("pointers")]


def test_fetch_cremad_stops_when_nothing_works(published, tmp_path):
    state, run = published
    for name in list(state.files):
        if name.startswith("media/"):
            del state.files[name]
    with pytest.raises(UsageError, match="could not be downloaded completely"):
        run(tmp_path)
    asked = sum(name.startswith("media/") for name in state.names())
    assert asked < 60


def test_a_pointer_that_is_none(published, tmp_path):
    state, run = published
    name = next(n for n in state.files if n.startswith("pointers/"))
    state.files[name] = b"<html>"
    with pytest.raises(UsageError, match="expected a git-LFS pointer at"):
        run(tmp_path)
