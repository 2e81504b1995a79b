"""A small run of avdigits-ogm through the real command line."""

import os
import pathlib
import subprocess
import sys

import pytest

COMMAND = pathlib.Path(sys.executable).with_name("keras-balance")
SMALL = ["samples=60", "width=2", "blocks=1", "seconds=0.25", "batch_size=16"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder that the commands of one test file run in."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def digits(folder):
    """Runs `keras-balance recipe avdigits-ogm --demo WORD...`, small."""

    def run(*words):
        line = [str(COMMAND), "recipe", "avdigits-ogm", "--demo"]
        for pair in SMALL:
            line += ["--set", pair]
        backend = os.environ.get("KERAS_BACKEND", "jax")
        return subprocess.run(
            [*line, "--cache-dir", "cache", "--backend", backend, *words],
            cwd=folder,
            capture_output=True,
            text=True,
        )

    return run
