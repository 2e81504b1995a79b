"""The planted faults: each one's text is there, and its tests catch it."""

import pathlib
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TABLE = tomllib.loads((ROOT / "tools/mutations.toml").read_text())


@pytest.mark.parametrize("name", TABLE)
def test_its_text_is_there_once(name):
    entry = TABLE[name]
    assert (ROOT / entry["file"]).read_text().count(entry["text"]) == 1
    assert (ROOT / entry["tests"].split()[0]).is_file()


@pytest.mark.full
def test_every_fault_is_caught():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/mutate.py"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
