"""What every test folder shares."""

import os
import pathlib

import pytest


@pytest.fixture(scope="session")
def test_data():
    """Folder of real files; tests that need it are skipped without it."""
    folder = os.environ.get("KERAS_BALANCE_TEST_DATA")
    if not folder:
        pytest.skip("KERAS_BALANCE_TEST_DATA is not set: no real files")
    return pathlib.Path(folder)
