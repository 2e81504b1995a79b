"""The idx format of MNIST."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.files import check_present

UNSIGNED_BYTE = 0x08


def read_idx(path, rank):
    """Reads an idx file of unsigned bytes, plain or gzip.

    Args:
        path: the file; gzip where the name ends in `.gz`.
        rank: the number of dimensions expected: 3 for images, 1 for labels.

    Returns:
        uint8 array.

    Raises:
        MediaError: where the file is missing, empty, a git-LFS stub,
            truncated, or no idx file of that rank.
    """
    check_present(path)
    data = _read(Path(path))
    if len(data) < 4:
        raise MediaError("truncated", path, "the idx header is cut short.")
    zeros, kind, dimensions = struct.unpack(">HBB", data[:4])
    if zeros != 0 or kind != UNSIGNED_BYTE or dimensions != rank:
        raise MediaError(
            "undecodable",
            path,
            f"expected an idx file of {rank} dimensions of unsigned bytes "
            f"(it begins 0000 08 {rank:02d}). Received: {data[:4].hex(' ')}",
        )
    start = 4 + 4 * rank
    if len(data) < start:
        raise MediaError("truncated", path, "the idx header is cut short.")
    shape = struct.unpack(f">{rank}I", data[4:start])
    size = math.prod(shape)
    if len(data) - start != size:
        short = len(data) - start < size
        raise MediaError(
            "truncated" if short else "undecodable",
            path,
            f"expected {size} bytes for shape {shape}. Received: "
            f"{len(data) - start} bytes.",
        )
    return np.frombuffer(data, "uint8", offset=start).reshape(shape)


def write_idx(path, array):
    """Writes unsigned bytes as an idx file; gzip for a name in `.gz`."""
    array = np.ascontiguousarray(array, "uint8")
    data = struct.pack(">HBB", 0, UNSIGNED_BYTE, array.ndim)
    data += struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path = Path(path)
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    path.write_bytes(data)


def _read(path):
    data = path.read_bytes()
    if path.suffix != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except EOFError as error:
        raise MediaError(
            "truncated", path, "the gzip file is truncated."
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise MediaError(
            "undecodable", path, f"the file is not valid gzip ({error})."
        ) from error
