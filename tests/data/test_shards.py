"""Shards and their journal: what is on the disk, and when."""

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
