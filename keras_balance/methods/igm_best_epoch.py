"""The best epoch's weights, by macro F1 on validation data."""

import keras
import numpy as np
from keras import ops

from keras_balance.mechanisms.snapshot import Snapshot


def macro_f1_of(counts):
    """Macro F1 over all classes, 0 / 0 being 0.

    Args:
        counts: NumPy `(classes, classes)`, a weighted confusion matrix.
    """
    mentions = counts.sum(axis=0) + counts.sum(axis=1)
    shares = 2 * np.diagonal(counts) / np.where(mentions > 0, mentions, 1.0)
    return float(shares.mean())


class BestEpoch:
    """Watches validation and keeps the weights of its best epoch.

    Everything it holds are weights of the model, and saved with it. Made in
    `build`; `begin` and `end` are called around an epoch, `count` in a step of
    validation.

    Args:
        model: a `BalancedModel`.
        variables: list of the variables to keep.
    """

    def __init__(self, model, variables):
        self.model = model
        self.snapshot = Snapshot(model, variables, "best")
        self.score = model.add_state(
            "best_score", initializer=keras.initializers.Constant(-1.0)
        )
        self.counts = model.add_state(
            "confusion", (model.num_classes, model.num_classes)
        )

    def begin(self):
        """Forgets what was counted."""
        self.counts.assign(np.zeros(self.counts.shape, "float32"))

    def count(self, outputs, batch):
        """Adds a batch to the confusion matrix, in a step."""
        named = ops.argmax(outputs.logits, axis=-1)
        true, named = (
            ops.one_hot(each, self.model.num_classes, dtype="float32")
            for each in (batch.labels, named)
        )
        true = batch.weight[:, None] * true
        found = ops.matmul(ops.transpose(true), named)
        found = self.model.sum_over_replicas(found)
        self.counts.assign(ops.convert_to_tensor(self.counts) + found)

    def end(self):
        """Keeps the weights where no epoch was better; without data, not."""
        counts = np.array(ops.convert_to_numpy(self.counts), "float64")
        best = float(ops.convert_to_numpy(self.score))
        if counts.sum() > 0 and macro_f1_of(counts) > best:
            self.score.assign(np.float32(macro_f1_of(counts)))
            self.snapshot.take()

    def restore(self):
        """Goes back to the best epoch, if there is one."""
        if float(ops.convert_to_numpy(self.score)) >= 0:
            self.snapshot.restore()
