"""Labelled images in idx files, as MNIST and its relatives have them."""

import dataclasses

import numpy as np

from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.idx import read_idx
from keras_balance.errors import UsageError


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Images of all idx files of a folder.

    Attributes:
        pixels: uint8 array of shape `(N, side, side)`.
        labels: uint8 array of shape `(N,)`.
        names: list of N names, such as `"t10k-00012"`.
        train: number of images from the train files, which come first; 0
            where there are no others to tell them from.
        files: list of the names of the image files.
    """

    pixels: np.ndarray
    labels: np.ndarray
    names: list
    train: int
    files: list


def find_pairs(folders):
    """Lists the pairs of idx files of the first folder that has some.

    Args:
        folders: list of `Path`.

    Returns:
        list of `(images path, labels path)`, train files first, then by name;
        empty where there are none.

    Raises:
        UsageError: there are images without labels.
    """
    for folder in folders:
        found = {}
        for path in sorted(folder.glob("*images-idx3-ubyte*")):
            if path.name.endswith(("idx3-ubyte", "idx3-ubyte.gz")):
                found.setdefault(path.name.removesuffix(".gz"), path)
        if found:
            pairs = [(path, _labels_of(path)) for path in found.values()]
            return sorted(pairs, key=lambda p: (not _is_train(p[0]), p[0].name))
    return []


def read_pairs(pairs, side, classes):
    """Reads pairs of idx files.

    Args:
        pairs: list of `(images path, labels path)`, not empty.
        side: of the images, in pixels.
        classes: number of classes.

    Returns:
        `LabelledImages`.

    Raises:
        MediaError: files are missing, malformed or contradict each other.
    """
    # Train and test are only told apart where both are there.
    both = len({_is_train(path) for path, _ in pairs}) == 2
    pixels, labels, names, train = [], [], [], 0
    for image_path, label_path in pairs:
        x, y = read_pair(image_path, label_path, side, classes)
        prefix = image_path.name.partition("-images")[0]
        pixels.append(x)
        labels.append(y)
        names += [f"{prefix}-{i:05d}" for i in range(len(x))]
        train += len(x) if both and _is_train(image_path) else 0
    return LabelledImages(
        pixels=np.concatenate(pixels),
        labels=np.concatenate(labels),
        names=names,
        train=train,
        files=[path.name for path, _ in pairs],
    )


def read_pair(image_path, label_path, side, classes):
    """Reads one pair of idx files.

    Args:
        image_path: idx file of images.
        label_path: idx file of their labels.
        side: of the images, in pixels.
        classes: number of classes.

    Returns:
        A tuple `(pixels, labels)` of uint8 arrays.

    Raises:
        MediaError: they are malformed or do not fit together.
    """
    x, y = read_idx(image_path, 3), read_idx(label_path, 1)
    if len(x) != len(y):
        raise MediaError(
            "undecodable",
            label_path,
            f"expected {len(x)} labels, one for each image of "
            f"{image_path.name}. Received: {len(y)} labels.",
        )
    if x.shape[1:] != (side, side) or len(x) == 0:
        raise MediaError(
            "undecodable",
            image_path,
            f"expected images of {side} x {side}. Received: shape={x.shape}",
        )
    if y.max() >= classes:
        raise MediaError(
            "undecodable",
            label_path,
            f"expected labels from 0 to {classes - 1}. Received: {y.max()} at "
            f"position {int(y.argmax())}.",
        )
    return x, y


def _is_train(path):
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
