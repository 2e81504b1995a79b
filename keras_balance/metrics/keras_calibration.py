"""Expected calibration error as a Keras metric."""

import keras
from keras import ops

from keras_balance.metrics.keras_labels import class_indices
from keras_balance.metrics.keras_labels import row_weights


@keras.saving.register_keras_serializable("keras_balance")
class ExpectedCalibrationError(keras.metrics.Metric):
    """Accumulates `keras_balance.metrics.expected_calibration_error`.

    With sample weights, n_b is the weight in a bin, and accuracy and
    confidence are weighted means.

    Args:
        bins: number of bins of equal width (low, high] in [0, 1].
        from_logits: whether predictions are logits, not probabilities.
        name: name of the metric.
        dtype: dtype of the sums.
    """

    def __init__(self, bins=15, from_logits=True, name="ece", dtype=None):
        super().__init__(name=name, dtype=dtype)
        if bins < 1:
            raise ValueError(
                f"Expected `bins` of 1 or more. Received: bins={bins}"
            )
        self.bins = int(bins)
        self.from_logits = bool(from_logits)
        # What `EarlyStopping(mode="auto")` reads.
        self._direction = "down"
        self.samples = self._sums("samples")
        self.correct = self._sums("correct")
        self.confidence = self._sums("confidence")

    def _sums(self, name):
        return self.add_variable((self.bins,), initializer="zeros", name=name)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: class indices `(batch,)` or `(batch, 1)`, or one-hot.
            y_pred: `(batch, classes)`.
            sample_weight: `(batch,)`, `(batch, 1)` or None.
        """
        y_pred = ops.cast(ops.convert_to_tensor(y_pred), self.dtype)
        labels = class_indices(y_true, y_pred.shape[-1])
        if self.from_logits:
            y_pred = ops.softmax(y_pred, axis=-1)
        confidence = ops.max(y_pred, axis=-1)
        predicted = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        correct = ops.cast(ops.equal(predicted, labels), self.dtype)
        inner = ops.linspace(0.0, 1.0, self.bins + 1, dtype=self.dtype)[1:-1]
        above = ops.cast(confidence[:, None] > inner, "int32")
        weight = row_weights(sample_weight, labels, self.dtype)
        cells = ops.one_hot(ops.sum(above, axis=-1), self.bins)
        cells = ops.cast(cells, self.dtype) * weight[:, None]
        self.samples.assign_add(ops.sum(cells, axis=0))
        self.correct.assign_add(ops.matmul(correct, cells))
        self.confidence.assign_add(ops.matmul(confidence, cells))

    def result(self):
        """A scalar in [0, 1]; 0 before the first batch."""
        apart = ops.sum(ops.abs(self.correct - self.confidence))
        return ops.divide_no_nan(apart, ops.sum(self.samples))

    def get_config(self):
        return {
            **super().get_config(),
            "bins": self.bins,
            "from_logits": self.from_logits,
        }
