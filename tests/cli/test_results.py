"""The end of a run: what is printed of it."""

import pytest

from keras_balance.cli.results import show_run
from keras_balance.errors import UsageError
from keras_balance.runs.folder import RunFolder


def test_a_damaged_evaluation_is_refused_with_what_helps(tmp_path):
    folder = RunFolder.at(tmp_path)
    folder.evaluation.write_text("{")
    with pytest.raises(UsageError, match="Expected whole JSON") as caught:
        show_run(folder, as_json=False)
    assert caught.value.hint.startswith("delete evaluation.json in ")
