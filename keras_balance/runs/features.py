"""The features that a run has kept of its test split."""

import zipfile

import numpy as np

from keras_balance.errors import UsageError


def read_features(folder):
    """Features of the test split from outputs.npz, with their labels.

    Args:
        folder: `pathlib.Path` of a run.

    Returns:
        `{modality: (features, labels)}` of the samples that have the
        modality; empty without the file.

    Raises:
        UsageError: the file is broken.
    """
    path = folder / "outputs.npz"
    try:
        with np.load(path) as arrays:
            names = [n for n in arrays.files if n.startswith("features/")]
            return {
                name.removeprefix("features/"): _present(arrays, name)
                for name in names
            }
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        raise UsageError(
            f"Expected the outputs of a run. Received: {path}, broken",
            "keras-balance evaluate RUN writes it again from the checkpoint",
        ) from None


def _present(arrays, name):
    """Features and labels of the rows that are not marked as absent."""
    features, labels = arrays[name], arrays["labels"]
    mark = name.replace("features/", "present/", 1)
    if mark not in arrays.files:
        return features, labels
    rows = arrays[mark] > 0
    return features[rows], labels[rows]
