"""The file that a killed run continues from."""

import pytest

from keras_balance.errors import UsageError
from keras_balance.runs.state import load_state
from keras_balance.runs.state import load_weights


@pytest.mark.parametrize("read", [load_state, load_weights])
@pytest.mark.parametrize("content", [b"", b"PK", b"text"])
def test_a_damaged_file_is_refused_by_name(tmp_path, read, content):
    path = tmp_path / "state.npz"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="Expected a whole checkpoint.*state"):
        read(path, None)
