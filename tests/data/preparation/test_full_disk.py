import errno
import os
import shutil

import pytest

from keras_balance import data as datasets
from keras_balance.data.cremad.names import FOLDERS
from keras_balance.data.preparation import shards
from keras_balance.errors import UsageError

cremad = datasets.get("cremad")


LIMITED = """
import resource, sys
from keras_balance import data as datasets
cremad = datasets.get("cremad")
from keras_balance.errors import UsageError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    cremad.prepare(*sys.argv[1:3], cremad.Settings(frame_size=(32, 48)))
except UsageError as error:
    print(error)
    sys.exit(2)
"""


def assert_full(text, cache):
    need = 36 * (66150 * 4 + 3 * 32 * 48 * 3)
    assert f"the prepared data needs {need} bytes" in text
    assert "bytes free" in text and "--cache-dir" in text
    assert not list(cache.rglob("*.npy"))
    assert not list(cache.rglob(shards.MANIFEST))


def test_a_file_size_limit_is_a_full_disk(run, demo, tmp_path):
    limited = run(LIMITED, demo, tmp_path)
    assert limited.returncode == 2, limited.stderr
    assert_full(limited.stdout, tmp_path)


@pytest.mark.parametrize("call", [1, 2, 5])
def test_the_disk_fills_up_while_writing(
    demo, settings, tmp_path, monkeypatch, call
):
    calls, original = [], os.fsync

    def fsync(handle):
        calls.append(handle)
        if len(calls) > call:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(handle)

    monkeypatch.setattr(shards.os, "fsync", fsync)
    with pytest.raises(UsageError) as caught:
        cremad.prepare(demo, tmp_path, settings)
    assert_full(str(caught.value), tmp_path)


PEAK = """
import resource, sys
from keras_balance import data as datasets
cremad = datasets.get("cremad")
settings = cremad.Settings(frame_size=(240, 320), split="actors")
prepared = cremad.prepare(*sys.argv[1:3], settings, workers=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_peak_memory_does_not_grow_with_the_data(run, demo, tmp_path):
    small = tmp_path / "small"
    for folder, end in FOLDERS.items():
        (small / folder).mkdir(parents=True)
        for path in sorted((demo / folder).glob(f"*{end}"))[:6]:
            shutil.copy(path, small / folder)
    peaks = [
        int(run(PEAK, folder, tmp_path / folder.name).stdout)
        for folder in (small, demo)
    ]
    # 30 more clips of 0.95 MB each (29 MB) fit into a bound of 10 MB.
    assert peaks[1] - peaks[0] < 10, peaks
