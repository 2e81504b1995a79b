"""What every test folder shares."""

import os
import pathlib

import hypothesis
import pytest

# A first example may be compiled, and every run shall try the same ones.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session")
def test_data():
    """Folder of real files; tests that need it are skipped without it."""
    folder = os.environ.get("KERAS_BALANCE_TEST_DATA")
    if not folder:
        pytest.skip("KERAS_BALANCE_TEST_DATA is not set: no real files")
    return pathlib.Path(folder)
