"""Small models, and data that is read batch by batch."""

import keras
import numpy as np
import pytest

import keras_balance as kb


class Batches(keras.utils.PyDataset):
    """Arrays by batches of 8; nothing is looked at before training."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        first = keras.tree.flatten(self.arrays)[0]
        return -(-len(first) // 8)

    def __getitem__(self, i):
        rows = slice(8 * i, 8 * i + 8)
        return keras.tree.map_structure(lambda a: a[rows], self.arrays)


@pytest.fixture
def batches():
    return Batches


@pytest.fixture
def data():
    """Function: `(x, y)` of 16 rows, two modalities and three classes."""

    def make(rows=16):
        random = np.random.default_rng(0)
        x = {
            "visual": random.normal(size=(rows, 4)).astype("float32"),
            "audio": random.normal(size=(rows, 5)).astype("float32"),
        }
        return x, random.integers(0, 3, rows).astype("int32")

    return make


@pytest.fixture
def encoders():
    """Function: encoders that are not built."""

    def make(*names):
        return {
            name: keras.Sequential([keras.layers.Dense(4, activation="tanh")])
            for name in names or ("visual", "audio")
        }

    return make


@pytest.fixture
def make(encoders):
    """Function: a compiled model of a method."""

    def make_model(slug="joint", optimizer=None, compiled=None, **arguments):
        arguments = {"encoders": encoders(), "num_classes": 3, **arguments}
        model = kb.methods.create(slug, **arguments)
        model.compile(
            optimizer=optimizer or keras.optimizers.SGD(0.1),
            metrics=["accuracy"],
            **(compiled or {}),
        )
        return model

    return make_model
