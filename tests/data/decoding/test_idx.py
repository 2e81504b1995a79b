import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.idx import read_idx
from keras_balance.data.decoding.idx import write_idx

HEADER = struct.pack(">IIII", 0x803, 2, 3, 4)


def test_real_images(real):
    path = real / "mnist" / "t10k-open-images-idx3-ubyte.gz"
    received = read_idx(path, 3)
    data = gzip.decompress(path.read_bytes())
    assert received.shape == (6000, 28, 28)
    np.testing.assert_array_equal(
        received.ravel(), np.frombuffer(data[16:], "uint8")
    )
    labels = read_idx(real / "mnist" / "t10k-open-labels-idx1-ubyte.gz", 1)
    assert labels[:3].tolist() == [7, 2, 1]  # as the MNIST test set begins


@given(hnp.arrays("uint8", hnp.array_shapes(min_dims=3, max_dims=3)))
def test_round_trip(tmp_path_factory, array):
    folder = tmp_path_factory.mktemp("idx")
    for name in ("a-idx3-ubyte", "a-idx3-ubyte.gz"):
        write_idx(folder / name, array)
        np.testing.assert_array_equal(read_idx(folder / name, 3), array)


@pytest.mark.parametrize(
    "data, kind, text",
    [
        (b"", "empty", "0 bytes"),
        (b"\0\0", "truncated", "header is cut short"),
        (HEADER[:10], "truncated", "header is cut short"),
        (HEADER + bytes(23), "truncated", "expected 24 bytes for shape"),
        (HEADER + bytes(25), "undecodable", "Received: 25 bytes"),
        (b"\x89PNG" + bytes(40), "undecodable", "Received: 89 50 4e 47"),
        (struct.pack(">II", 0x801, 3) + b"abc", "undecodable", "3 dimensions"),
        (struct.pack(">II", 0xD03, 3) + b"abc", "undecodable", "unsigned"),
    ],
)
def test_malformed(tmp_path, data, kind, text):
    path = tmp_path / "x-images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(MediaError) as caught:
        read_idx(path, 3)
    assert caught.value.kind == kind
    assert text in caught.value.message and str(path) in caught.value.message


@pytest.mark.parametrize("cut", [5, 30])
def test_truncated_gzip(tmp_path, cut):
    path = tmp_path / "x-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(HEADER + bytes(range(24)))[:-cut])
    with pytest.raises(MediaError, match="gzip file is truncated") as caught:
        read_idx(path, 3)
    assert caught.value.kind == "truncated"


def test_not_gzip(tmp_path):
    path = tmp_path / "x-images-idx3-ubyte.gz"
    path.write_bytes(HEADER + bytes(24))
    with pytest.raises(MediaError, match="not valid gzip"):
        read_idx(path, 3)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "x-labels-idx1-ubyte"
    path.write_bytes(data)
    try:
        labels = read_idx(path, 1)
    except MediaError as error:
        kinds = ("empty", "lfs-stub", "truncated", "undecodable")
        assert error.kind in kinds
    else:
        assert data == struct.pack(">II", 0x801, len(labels)) + labels.tobytes()
