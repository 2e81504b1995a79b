import dataclasses
import hashlib
import importlib
import io
import zipfile

import numpy as np
import pytest

from keras_balance import data as datasets
from keras_balance.data.preparation import download as fetch
from keras_balance.data.preparation.manifests import read_manifest
from keras_balance.data.preparation.sources import Source
from keras_balance.data.preparation.sources import fetch as fetch_table
from keras_balance.errors import UsageError

cremad = datasets.get("cremad")
avdigits = datasets.get("avdigits")

# The modules: each set has a function of that name.
cremad_fetch = importlib.import_module("keras_balance.data.cremad.fetch")

DATA = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server(monkeypatch, serve):
    monkeypatch.setattr(fetch, "PAUSE", 0.01)
    monkeypatch.setattr(fetch, "TIMEOUT", 5)
    with serve() as (state, url):
        state.files["a.bin"] = DATA
        yield state, url


def test_download(server, tmp_path):
    state, url = server
    seen = []
    path = fetch.download(
        f"{url}/a.bin",
        tmp_path / "deep" / "a.bin",
        checksum=SHA256,
        progress=lambda *arguments: seen.append(arguments),
    )
    assert path.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA), "a.bin")
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]
    fetch.download(f"{url}/a.bin", path, checksum=SHA256)
    assert len(state.requests) == 1  # it is there and right


def test_a_cut_connection_is_resumed(server, tmp_path):
    state, url = server
    state.failures["a.bin"] = [("cut", 100_000), ("cut", 50_000)]
    path = tmp_path / "a.bin"
    fetch.download(f"{url}/a.bin", path, checksum=SHA256)
    assert path.read_bytes() == DATA
    spans = [span for _, span in state.requests]
    assert spans == [None, "bytes=100000-", "bytes=150000-"]


def test_a_part_of_an_earlier_call_is_resumed(server, tmp_path):
    state, url = server
    (tmp_path / "a.bin.part").write_bytes(DATA[:12345])
    fetch.download(f"{url}/a.bin", tmp_path / "a.bin", checksum=SHA256)
    assert state.requests == [("a.bin", "bytes=12345-")]
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_complete_part_is_taken(server, tmp_path):
    _, url = server
    (tmp_path / "a.bin.part").write_bytes(DATA)
    fetch.download(f"{url}/a.bin", tmp_path / "a.bin", checksum=SHA256)
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_part_of_another_file_is_thrown_away(server, tmp_path):
    state, url = server
    (tmp_path / "a.bin.part").write_bytes(b"x" * 5000)
    fetch.download(f"{url}/a.bin", tmp_path / "a.bin", checksum=SHA256)
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert [span for _, span in state.requests] == ["bytes=5000-", None]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    state, url = server
    state.ranges = False
    state.failures["a.bin"] = [("cut", 100_000)]
    fetch.download(f"{url}/a.bin", tmp_path / "a.bin", checksum=SHA256)
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_wrong_checksum_is_refused(server, tmp_path):
    _, url = server
    with pytest.raises(UsageError) as caught:
        fetch.download(f"{url}/a.bin", tmp_path / "a.bin", checksum="0" * 64)
    assert f"sha256 {'0' * 64}. Received: {SHA256}" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_on_disk_is_replaced(server, tmp_path):
    _, url = server
    (tmp_path / "a.bin").write_bytes(b"old")
    fetch.download(f"{url}/a.bin", tmp_path / "a.bin", checksum=SHA256)
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_not_found_is_final(server, tmp_path):
    state, url = server
    with pytest.raises(UsageError, match=f"{url}/b. Received: HTTP 404"):
        fetch.download(f"{url}/b", tmp_path / "b")
    assert len(state.requests) == 1


def test_a_busy_server_is_asked_again(server, tmp_path):
    state, url = server
    state.failures["a.bin"] = [503, 500]
    fetch.download(f"{url}/a.bin", tmp_path / "a.bin", checksum=SHA256)
    assert len(state.requests) == 3


def test_no_server(tmp_path, monkeypatch, serve):
    monkeypatch.setattr(fetch, "PAUSE", 0.001)
    with serve() as (_, url):
        pass
    with pytest.raises(UsageError) as caught:
        fetch.download(f"{url}/a", tmp_path / "a")
    assert "could not be downloaded in 5 tries" in caught.value.message
    assert "goes on where it stopped" in caught.value.hint


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


@pytest.fixture
def published_digits(server, digits, monkeypatch):
    """The demo set, served as AV-digits' sources are."""
    state, url = server
    sources = []
    for source in avdigits.sources:
        if source.members:
            moved = dataclasses.replace(source, url=f"{url}/fsdd.zip")
        else:
            name = source.path.replace("train", "t10k")
            state.files[source.path] = (digits / name).read_bytes()
            moved = dataclasses.replace(
                source,
                url=f"{url}/{source.path}",
                checksum=hashlib.md5(state.files[source.path]).hexdigest(),
            )
        sources.append(moved)
    monkeypatch.setattr(type(avdigits), "sources", sources)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for path in (digits / "fsdd" / "recordings").glob("*.wav"):
            file.write(path, f"fsdd-1/recordings/{path.name}")
        file.writestr("fsdd-1/README.md", "text")
        file.writestr("../../evil_x_1.wav", "outside")
    state.files["fsdd.zip"] = archive.getvalue()
    return state


def test_fetch_digits(published_digits, digits, tmp_path):
    folder = tmp_path / "data"
    avdigits.fetch(folder)
    wavs = sorted(p.name for p in (folder / "fsdd").rglob("*.wav"))
    expected = (digits / "fsdd" / "recordings").glob("*.wav")
    assert wavs == sorted(p.name for p in expected)
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
    assert not list(folder.rglob("*.zip"))
    prepared = avdigits.prepare(folder, tmp_path / "c", avdigits.Settings())
    assert len(prepared) == 400


def test_a_complete_archive_is_not_downloaded_again(
    published_digits, digits, tmp_path, monkeypatch
):
    sources = [
        dataclasses.replace(source, count=440 if source.members else 1)
        for source in avdigits.sources
    ]
    monkeypatch.setattr(type(avdigits), "sources", sources)
    avdigits.fetch(tmp_path)
    published_digits.requests.clear()
    avdigits.fetch(tmp_path)
    assert published_digits.requests == []


def test_a_damaged_archive(published_digits, tmp_path):
    files = published_digits.files
    files["fsdd.zip"] = files["fsdd.zip"][:-500]
    with pytest.raises(UsageError, match="expected a zip archive of AV-digits"):
        avdigits.fetch(tmp_path)
    assert not list(tmp_path.rglob("*.zip"))


def test_what_only_a_person_can_get(server, tmp_path):
    state, url = server
    sources = [
        Source("lists/a.bin", f"{url}/a.bin", SHA256),
        Source("videos.tar", text="ask its authors for it"),
    ]
    with pytest.raises(UsageError) as caught:
        fetch_table("A set", sources, tmp_path)
    assert "A set is not free to download" in caught.value.message
    assert "videos.tar: ask its authors for it" in caught.value.message
    assert "keras-balance data list" in caught.value.hint
    assert (tmp_path / "lists" / "a.bin").read_bytes() == DATA
    (tmp_path / "videos.tar").write_bytes(b"here")
    fetch_table("A set", sources, tmp_path)
