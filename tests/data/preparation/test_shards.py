"""Shards and their journal: what is on the disk, and when."""

import json
import os

import numpy as np

from keras_balance.data.preparation import shards


def test_rows_are_on_the_disk_before_the_journal_names_them(
    tmp_path, monkeypatch
):
    arrays = {"audio": ((3, 2), "float32"), "video": ((3, 4), "uint8")}
    writer = shards.ShardWriter(tmp_path / "partial", arrays)
    journal = writer.folder / shards.JOURNAL
    synced, original = [], os.fsync

    def fsync(handle):
        journals = os.path.samestat(os.fstat(handle), journal.stat())
        kind = "journal" if journals else "rows"
        synced.append((kind, journal.stat().st_size))
        original(handle)

    monkeypatch.setattr(shards.os, "fsync", fsync)
    values = {"audio": np.ones(2, "float32"), "video": np.ones(4, "uint8")}
    writer.write(0, values, "first")
    writer.sync()
    size = journal.stat().st_size
    assert size > 0
    assert synced == [("rows", 0), ("rows", 0), ("journal", size)]
    writer.close()


def test_shards_of_another_version_are_listed_and_left_alone(tmp_path):
    names = {"own-1": 1, "own-2": shards.FORMAT, "own-3": None, "other-1": 1}
    for name, version in names.items():
        (tmp_path / name).mkdir()
        document = {} if version is None else {"format": version}
        text = json.dumps({**document, "files": {}})
        (tmp_path / name / "manifest.json").write_text(text)
    (tmp_path / "own-4").mkdir()
    (tmp_path / "own-4" / "manifest.json").write_text("{")
    found = shards.older_shards(tmp_path, "own")
    assert [path.name for path in found] == ["own-1", "own-3"]
