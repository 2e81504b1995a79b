"""Macro F1 as a Keras metric."""

import keras
from keras import ops

from keras_balance.metrics.keras_labels import class_indices
from keras_balance.metrics.keras_labels import row_weights


@keras.saving.register_keras_serializable("keras_balance")
class MacroF1(keras.metrics.Metric):
    """Accumulates `keras_balance.metrics.macro_f1`.

    A class that neither occurs nor is predicted counts 0 and stays in the
    mean. `keras.metrics.F1Score(average="macro")` takes one-hot labels and a
    threshold; this one takes class indices or one-hot rows, and the class
    with the highest score.

    Args:
        num_classes: integer, 1 or more.
        name: name of the metric.
        dtype: dtype of the sums.
    """

    def __init__(self, num_classes, name="macro_f1", dtype=None):
        super().__init__(name=name, dtype=dtype)
        if num_classes < 1:
            raise ValueError(
                "Expected `num_classes` of 1 or more. Received: "
                f"num_classes={num_classes}"
            )
        self.num_classes = int(num_classes)
        # What `EarlyStopping(mode="auto")` reads.
        self._direction = "up"
        self.correct = self._sums("correct")
        self.mentions = self._sums("mentions")

    def _sums(self, name):
        return self.add_variable(
            (self.num_classes,), initializer="zeros", name=name
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: class indices `(batch,)` or `(batch, 1)`, or one-hot.
            y_pred: logits or probabilities `(batch, num_classes)`.
            sample_weight: `(batch,)`, `(batch, 1)` or None.
        """
        labels = class_indices(y_true, self.num_classes)
        weight = row_weights(sample_weight, labels, self.dtype)[:, None]
        predicted = self._rows(ops.argmax(y_pred, axis=-1))
        occurs = self._rows(labels)
        self.correct.assign_add(ops.sum(weight * occurs * predicted, axis=0))
        self.mentions.assign_add(ops.sum(weight * (occurs + predicted), axis=0))

    def _rows(self, classes):
        return ops.cast(ops.one_hot(classes, self.num_classes), self.dtype)

    def result(self):
        """A scalar in [0, 1]; 0 before the first batch."""
        return ops.mean(ops.divide_no_nan(2.0 * self.correct, self.mentions))

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
