import hashlib

import numpy as np
import pytest

from keras_balance.data.preparation.sources import Source
from keras_balance.data.preparation.sources import fetch as fetch_table
from keras_balance.errors import UsageError

DATA = np.random.default_rng(0).bytes(300_000)


SHA256 = hashlib.sha256(DATA).hexdigest()


def test_what_only_a_person_can_get(server, tmp_path):
    state, url = server
    state.files["a.bin"] = DATA
    sources = [
        Source("lists/a.bin", f"{url}/a.bin", SHA256),
        Source("videos.tar", text="ask its authors for it"),
    ]
    with pytest.raises(UsageError) as caught:
        fetch_table("A set", sources, tmp_path)
    assert "A set is not free to download" in caught.value.message
    assert "videos.tar: ask its authors for it" in caught.value.message
    assert "keras-balance data list" in caught.value.hint
    assert (tmp_path / "lists" / "a.bin").read_bytes() == DATA
    (tmp_path / "videos.tar").write_bytes(b"here")
    fetch_table("A set", sources, tmp_path)
