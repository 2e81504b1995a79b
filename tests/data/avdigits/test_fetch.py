import dataclasses
import hashlib
import io
import zipfile

import pytest

from keras_balance import data as datasets
from keras_balance.errors import UsageError

avdigits = datasets.get("avdigits")


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
