"""The installed command, run as a user runs it."""

import os
import pathlib
import subprocess
import sys

import pytest

COMMAND = pathlib.Path(sys.executable).with_name("keras-balance")


@pytest.fixture
def keras_balance(tmp_path):
    """Runs `keras-balance WORD...` in an empty folder."""

    def run(*words, **variables):
        environment = {**os.environ, "COLUMNS": "100", **variables}
        return subprocess.run(
            [str(COMMAND), *map(str, words)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )

    return run
