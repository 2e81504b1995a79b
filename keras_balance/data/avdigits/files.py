"""The files of AV-digits: where they are, and what their names say."""

import dataclasses
import re
from pathlib import Path

import numpy as np

from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.idx import read_idx
from keras_balance.errors import UsageError

CLASSES = tuple("0123456789")
GRAMMAR = re.compile(r"(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<index>\d+)")
SIDE = 28
FETCH = "Name the folder with --data-dir DIR, or download it: "


@dataclasses.dataclass(frozen=True)
class Images:
    """Handwritten digits.

    Attributes:
        pixels: uint8 array of shape `(N, 28, 28)`.
        labels: uint8 array of shape `(N,)`.
        names: list of N names, such as `"t10k-00012"`.
        train: number of images from MNIST's train files, which come first; 0
            where there are none.
        files: list of the names of the image files.
    """

    pixels: np.ndarray
    labels: np.ndarray
    names: list
    train: int
    files: list


def parse(stem):
    """Returns a recording name's parts as a dict, or None."""
    match = GRAMMAR.fullmatch(stem)
    return match.groupdict() if match else None


def find_recordings(data_dir):
    """Lists the wav files of FSDD, sorted by name.

    Raises:
        UsageError: where there are none.
    """
    data_dir = Path(data_dir)
    folders = (data_dir / "fsdd" / "recordings", data_dir / "recordings")
    for folder in folders:
        paths = [p for p in folder.glob("*.wav") if parse(p.stem)]
        if paths:
            return sorted(paths)
    raise UsageError(
        "expected spoken digits such as 7_jackson_32.wav in "
        f"fsdd/recordings or recordings. Received: data_dir={data_dir}, which "
        "has none.",
        hint=f"{FETCH}keras-balance data fetch avdigits --data-dir {data_dir}",
    )


def find_images(data_dir):
    """Lists the pairs of idx files: train files first, then by name.

    Returns:
        list of `(images path, labels path)`.

    Raises:
        UsageError: where there are no images, or images without labels.
    """
    data_dir = Path(data_dir)
    for folder in (data_dir / "mnist", data_dir):
        found = {}
        for path in sorted(folder.glob("*images-idx3-ubyte*")):
            if path.name.endswith(("idx3-ubyte", "idx3-ubyte.gz")):
                found.setdefault(path.name.removesuffix(".gz"), path)
        if found:
            pairs = [(path, _labels_of(path)) for path in found.values()]
            return sorted(pairs, key=lambda p: (not is_train(p[0]), p[0].name))
    raise UsageError(
        "expected handwritten digits in *images-idx3-ubyte[.gz], in mnist/ or "
        f"the folder itself. Received: data_dir={data_dir}, which has none.",
        hint=f"{FETCH}keras-balance data fetch avdigits --data-dir {data_dir}",
    )


def is_train(path):
    """Whether an idx file is of MNIST's train part, by its name."""
    return path.name.startswith("train")


def _labels_of(path):
    plain = path.name.removesuffix(".gz").replace("images-idx3", "labels-idx1")
    for name in (plain, f"{plain}.gz"):
        if path.with_name(name).is_file():
            return path.with_name(name)
    raise UsageError(
        f"expected the labels {plain}[.gz] beside {path}. Received: no such "
        "file."
    )


def read_images(data_dir):
    """Reads all idx pairs of the folder.

    Returns:
        `Images`.

    Raises:
        UsageError: for missing, malformed or contradictory files.
    """
    pairs = find_images(data_dir)
    # Train and test are only told apart where both are there.
    both = len({is_train(path) for path, _ in pairs}) == 2
    pixels, labels, names, train = [], [], [], 0
    for image_path, label_path in pairs:
        x, y = read_pair(image_path, label_path)
        prefix = image_path.name.partition("-images")[0]
        pixels.append(x)
        labels.append(y)
        names += [f"{prefix}-{i:05d}" for i in range(len(x))]
        train += len(x) if both and is_train(image_path) else 0
    return Images(
        pixels=np.concatenate(pixels),
        labels=np.concatenate(labels),
        names=names,
        train=train,
        files=[path.name for path, _ in pairs],
    )


def read_pair(image_path, label_path):
    """Reads one pair of idx files.

    Returns:
        A tuple `(pixels, labels)` of uint8 arrays.

    Raises:
        MediaError: where they are malformed or do not fit together.
    """
    x, y = read_idx(image_path, 3), read_idx(label_path, 1)
    if len(x) != len(y):
        raise MediaError(
            "undecodable",
            label_path,
            f"expected {len(x)} labels, one for each image of "
            f"{image_path.name}. Received: {len(y)} labels.",
        )
    if x.shape[1:] != (SIDE, SIDE) or len(x) == 0:
        raise MediaError(
            "undecodable",
            image_path,
            f"expected images of {SIDE} x {SIDE}. Received: shape={x.shape}",
        )
    if y.max() >= len(CLASSES):
        raise MediaError(
            "undecodable",
            label_path,
            f"expected labels from 0 to 9. Received: {y.max()} at position "
            f"{int(y.argmax())}.",
        )
    return x, y
