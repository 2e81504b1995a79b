"""The training pipeline: batches of memory-mapped rows, read ahead."""

import concurrent.futures
import threading

import keras
import numpy as np

READ_AHEAD = 3
THREADS = 4


class BatchDataset(keras.utils.PyDataset):
    """Batches of a prepared data set, for `fit`, `evaluate` and `predict`.

    The order of epoch e is `default_rng([seed, e]).permutation`, so that a
    resumed run sees the same batches; use `fit(shuffle=False)` and call
    `set_epoch` at the beginning of each epoch. The rows of the next batches
    are read by threads while the device works on the present one.

    Args:
        prepared: `PreparedData`, or anything with `arrays` and `labels`.
        indices: integer array, the samples of this part.
        batch_size: number of samples in a batch; the last one may be smaller.
        seed: integer, seed of the order.
        shuffle: whether the order changes with the epoch; without, it is
            that of `indices`.
    """

    def __init__(self, prepared, indices, batch_size, seed=0, shuffle=False):
        super().__init__(workers=1)
        if batch_size < 1:
            raise ValueError(
                "expected batch_size to be at least 1. Received: "
                f"batch_size={batch_size}"
            )
        self.prepared = prepared
        self.indices = np.asarray(indices, "int64")
        self.batch_size = int(batch_size)
        self.seed = seed
        self.shuffle = shuffle
        self._lock = threading.Lock()
        self._pool = concurrent.futures.ThreadPoolExecutor(THREADS)
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Sets the order of the samples to that of an epoch.

        Args:
            epoch: integer, counted from 0.
        """
        order = self.indices
        if self.shuffle:
            rng = np.random.default_rng([self.seed, epoch])
            order = self.indices[rng.permutation(len(self.indices))]
        with self._lock:
            self.order = order
            self._ahead = {}

    @property
    def num_rows(self):
        """How many samples this part has."""
        return len(self.indices)

    def read_rows(self, rows):
        """Any samples of this part, as a batch.

        Args:
            rows: integer array, places in `indices`, whatever the epoch.
        """
        return self._read_rows(self.indices[rows])

    def __len__(self):
        return -(-len(self.indices) // self.batch_size)

    def __getitem__(self, index):
        """Returns batch `index`: `(inputs by modality, labels)`."""
        if not 0 <= index < len(self):
            raise IndexError(
                f"expected a batch below {len(self)}. Received: index={index}"
            )
        with self._lock:
            last = min(index + READ_AHEAD, len(self) - 1)
            # Batches behind the present one will not be asked for again.
            self._ahead = {k: v for k, v in self._ahead.items() if k >= index}
            for k in range(index, last + 1):
                if k not in self._ahead:
                    self._ahead[k] = self._pool.submit(self._read, k)
            batch = self._ahead.pop(index)
        return batch.result()

    def _read(self, index):
        start = index * self.batch_size
        return self._read_rows(self.order[start : start + self.batch_size])

    def _read_rows(self, rows):
        return _take(self.prepared.arrays, rows), self.prepared.labels[rows]


def _take(arrays, rows):
    """Rows of an array, or of each array of dicts in dicts."""
    if isinstance(arrays, dict):
        return {name: _take(array, rows) for name, array in arrays.items()}
    taken = np.empty((len(rows), *arrays.shape[1:]), arrays.dtype)
    for i, row in enumerate(rows):
        taken[i] = arrays[row]
    return taken
