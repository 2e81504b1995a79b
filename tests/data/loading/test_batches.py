import os
import subprocess
import sys
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_balance.data.loading.batches import BatchDataset
from keras_balance.data.preparation.prepared import Rows


@pytest.fixture
def prepared(tmp_path):
    """103 rows; row i is i everywhere; the audio is memory-mapped."""
    rows = np.arange(103, dtype="float32")
    np.save(tmp_path / "a.npy", np.tile(rows[:, None], 5))
    visual = np.tile(np.arange(103, dtype="uint8")[:, None, None, None], 3)
    return SimpleNamespace(
        arrays={
            "audio": np.load(tmp_path / "a.npy", mmap_mode="r"),
            "visual": Rows(visual, np.arange(103)),
        },
        labels=np.arange(103, dtype="int32") % 6,
    )


def rows_of(dataset):
    return [
        dataset[i][0]["audio"][:, 0].astype(int) for i in range(len(dataset))
    ]


def test_batches(prepared):
    indices = np.arange(3, 103)
    dataset = BatchDataset(prepared, indices, 16)
    assert len(dataset) == 7
    x, y = dataset[0]
    assert x["audio"].shape == (16, 5) and x["audio"].dtype == np.float32
    assert x["visual"].shape == (16, 1, 1, 3) and x["visual"].dtype == np.uint8
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, np.arange(3, 19) % 6)
    assert [len(rows) for rows in rows_of(dataset)] == [16] * 6 + [4]
    np.testing.assert_array_equal(np.concatenate(rows_of(dataset)), indices)


def test_modalities_and_labels_stay_together(prepared):
    dataset = BatchDataset(prepared, np.arange(103), 10, shuffle=True)
    for i in range(len(dataset)):
        x, y = dataset[i]
        np.testing.assert_array_equal(x["audio"][:, 0], x["visual"][:, 0, 0, 0])
        np.testing.assert_array_equal(x["audio"][:, 0] % 6, y)


def test_order_is_that_of_seed_and_epoch(prepared):
    indices = np.arange(2, 90)
    dataset = BatchDataset(prepared, indices, 16, seed=7, shuffle=True)
    for epoch in (0, 3, 1, 3):
        dataset.set_epoch(epoch)
        order = np.random.default_rng([7, epoch]).permutation(88)
        np.testing.assert_array_equal(
            np.concatenate(rows_of(dataset)), indices[order]
        )


def test_batches_may_be_asked_for_in_any_order(prepared):
    dataset = BatchDataset(prepared, np.arange(103), 10)
    for i in (5, 5, 0, 10, 2, 10):
        np.testing.assert_array_equal(
            dataset[i][0]["audio"][:, 0], np.arange(10 * i, 103)[:10]
        )


def test_a_new_epoch_forgets_what_was_read_ahead(prepared):
    dataset = BatchDataset(prepared, np.arange(103), 10, shuffle=True)
    dataset[0]
    dataset.set_epoch(1)
    order = np.random.default_rng([0, 1]).permutation(103)
    np.testing.assert_array_equal(dataset[1][0]["audio"][:, 0], order[10:20])


def test_bad_arguments(prepared):
    with pytest.raises(ValueError, match="batch_size=0"):
        BatchDataset(prepared, np.arange(3), 0)
    dataset = BatchDataset(prepared, np.arange(3), 2)
    with pytest.raises(IndexError, match="below 2. Received: index=2"):
        dataset[2]


def test_reads_ahead_while_the_device_works(prepared):
    class Slow:
        shape, dtype = (103, 5), np.dtype("float32")

        def __getitem__(self, row):
            time.sleep(0.005)
            return np.zeros(5, "float32")

    prepared.arrays = {"audio": Slow()}
    dataset = BatchDataset(prepared, np.arange(80), 8)
    dataset[0]
    time.sleep(0.3)
    start = time.perf_counter()
    dataset[1]
    assert time.perf_counter() - start < 0.02  # reading takes 0.04


FIT = """
import numpy as np, keras
from types import SimpleNamespace
from keras_balance.data.loading.batches import BatchDataset
rows = np.arange(23, dtype="float32")
prepared = SimpleNamespace(
    arrays={"a": rows[:, None], "b": rows[:, None]},
    labels=np.zeros(23, "int32"))
train = BatchDataset(prepared, np.arange(23), 5, seed=3, shuffle=True)
seen = []
original = train._read
def record(index):
    batch = original(index)
    seen.append((index, tuple(batch[0]["a"][:, 0].astype(int).tolist())))
    return batch
train._read = record
class Epoch(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        train.set_epoch(epoch)
        seen.clear()
    def on_epoch_end(self, epoch, logs=None):
        order = np.random.default_rng([3, epoch]).permutation(23)
        rows = [r for _, batch in sorted(set(seen)) for r in batch]
        assert rows == order.tolist(), (epoch, rows, order)
        print("epoch", epoch, "right")
a, b = keras.Input((1,), name="a"), keras.Input((1,), name="b")
y = keras.layers.Dense(2)(keras.layers.Concatenate()([a, b]))
model = keras.Model({"a": a, "b": b}, y)
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
validation = BatchDataset(prepared, np.arange(7), 5)
model.fit(train, validation_data=validation, epochs=4, initial_epoch=1,
          shuffle=False, callbacks=[Epoch()], verbose=0)
assert model.predict(validation, verbose=0).shape == (7, 2)
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_fit_sees_each_epochs_order(backend):
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", FIT],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    right = [f"epoch {epoch} right" for epoch in (1, 2, 3)]
    assert done.stdout.splitlines() == right


def test_it_is_a_keras_dataset(prepared):
    dataset = BatchDataset(prepared, np.arange(9), 4)
    assert isinstance(dataset, keras.utils.PyDataset)
    assert dataset.num_batches == 3
