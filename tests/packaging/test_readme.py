"""What the README shows is true: its code runs, its table is whole."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import keras_balance as kb

README = pathlib.Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def text():
    return README.read_text(encoding="utf-8")


def test_the_code_runs_as_it_stands(text, tmp_path):
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    code += "\nassert kb.__name__ and len(history.history['audio_score']) == 2"
    environment = {
        **os.environ,
        "KERAS_HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_method_is_in_the_table(text):
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    for slug in kb.methods.names():
        assert slug in named, slug
        assert kb.methods.get(slug).class_name in named, slug
