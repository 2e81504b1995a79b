import hashlib

import numpy as np
import pytest

from keras_balance.data.preparation import download as fetch
from keras_balance.errors import UsageError

DATA = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server(server):
    """The local server, with a file to download."""
    server[0].files["a.bin"] = DATA
    return server


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
