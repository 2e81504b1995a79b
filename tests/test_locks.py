"""Several processes that want one folder."""

import os
import signal
import subprocess
import sys
import time

import pytest

from keras_balance import locks
from keras_balance.data.preparation.checksums import checksums
from keras_balance.errors import UsageError
from keras_balance.runs.folder import RunFolder
from keras_balance.runs.source import demo_folder
from keras_balance.runs.sweep import Sweep

pytestmark = pytest.mark.skipif(not locks.fcntl, reason="no flock here")

HOLD = """
import sys, time
from keras_balance import locks
with locks.only(sys.argv[1], "folder"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""
APPEND = """
import sys, time
from keras_balance import locks
with locks.waiting(sys.argv[1]):
    with open(sys.argv[2], "a") as file:
        file.write("begin\\n")
        file.flush()
        time.sleep(0.02)
        file.write("end\\n")
"""


def _hold(path, seconds=60):
    words = [sys.executable, "-c", HOLD, str(path), str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def _kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_the_second_is_refused_and_told_by_whom(tmp_path):
    path = tmp_path / "runs" / ".lock"
    process = _hold(path)
    with pytest.raises(UsageError) as caught, locks.only(path, "folder runs"):
        pass
    assert f"process {process.pid} on " in caught.value.message
    assert "folder runs that no other process is using" in caught.value.message
    _kill(process)
    # What a killed process leaves is in nobody's way.
    assert path.exists()
    with locks.only(path, "folder runs"):
        assert str(os.getpid()) in path.read_text()
    assert not path.exists()


def test_nothing_is_left(tmp_path):
    (tmp_path / "old").mkdir()
    with locks.only(tmp_path / "old/new/newer/.lock", "folder"):
        pass
    assert [f.name for f in tmp_path.rglob("*")] == ["old"]
    with locks.only(tmp_path / "a" / ".lock", "folder"):
        (tmp_path / "a" / "b").touch()
    assert (tmp_path / "a" / "b").exists()


def test_those_who_wait_go_one_after_another(tmp_path):
    path, log = tmp_path / "made" / ".lock", tmp_path / "log"
    words = [sys.executable, "-c", APPEND, str(path), str(log)]
    begun = [subprocess.Popen(words) for _ in range(6)]
    assert [process.wait() for process in begun] == [0] * 6
    assert log.read_text() == "begin\nend\n" * 6


def test_a_run_folder_is_one_process_s(tmp_path):
    folder = RunFolder(tmp_path, "digits", "ogm", "paper", "jax", 1)
    process = _hold(folder.lock)
    # The lock alone is no run to continue.
    folder.check({}, resume=False)
    with pytest.raises(UsageError, match="run folder .* in use by process"):
        with folder.claimed():
            pass
    _kill(process)
    with folder.claimed():
        pass


class _Recipe:
    DEMO_DATA = {"seed": 1}


class _Slow:
    """A data set whose demonstration takes a while; counts how often."""

    calls = 0

    @classmethod
    def write_demo(cls, folder, seed, progress):
        cls.calls += 1
        assert not (folder / f"file{seed}").exists()
        (folder / f"file{seed}").touch()


def test_a_demo_set_is_waited_for_and_kept(tmp_path, monkeypatch):
    from keras_balance.runs import source

    monkeypatch.setattr(source.datasets, "get", lambda name: _Slow)
    first = demo_folder(_Recipe, "slow", tmp_path, None)
    process = _hold(first.with_suffix(".lock"), 0.5)
    begin = time.monotonic()
    assert demo_folder(_Recipe, "slow", tmp_path, None) == first
    assert process.wait() == 0 and time.monotonic() - begin > 0.2
    assert _Slow.calls == 1

    class Other:
        DEMO_DATA = {"seed": 2}

    # Another recipe's demonstration does not take this one's place.
    assert demo_folder(Other, "slow", tmp_path, None) != first
    assert (first / "file1").exists()


def test_checksums_are_not_computed_beside_one_another(tmp_path):
    file, cache = tmp_path / "a", tmp_path / "cache"
    file.write_text("a")
    (expected,) = checksums([file], cache).values()
    (store,) = cache.glob("checksums-*.json")
    process = _hold(store.with_suffix(".lock"), 0.5)
    begin = time.monotonic()
    assert list(checksums([file], cache).values()) == [expected]
    assert process.wait() == 0 and time.monotonic() - begin > 0.2


def test_a_sweep_is_one_process_s(tmp_path):
    pytest.importorskip("optuna")
    sweep = Sweep(tmp_path / "sweep", 0)
    process = _hold(sweep.lock)
    with pytest.raises(UsageError, match="sweep folder .* in use by process"):
        with sweep.claimed():
            pass
    _kill(process)
    with sweep.claimed():
        sweep.start({"trials": 1})
