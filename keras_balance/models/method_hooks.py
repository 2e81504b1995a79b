"""Connects `fit` with a method's epoch hooks, and checks the data."""

import keras
import numpy as np

from keras_balance.models import batch as batches
from keras_balance.models.checks import check_inputs
from keras_balance.models.structures import leaves

_ONE_HOT = (
    "One-hot rows hold a single 1, shares of the classes sum to 1; multi-label "
    "problems are not supported."
)


class MethodHooks(keras.callbacks.Callback):
    """Calls the model's hooks; raises where an epoch met broken data."""

    def __init__(self, data):
        super().__init__()
        self.data = data
        self.current_epoch = None

    @classmethod
    def added_to(cls, callbacks, data):
        """The callbacks of a `fit` with this one before them."""
        if isinstance(callbacks, keras.callbacks.CallbackList):
            if data is not None:
                callbacks.append(cls(data))
            return callbacks
        if callbacks is None:
            callbacks = []
        elif isinstance(callbacks, keras.callbacks.Callback):
            callbacks = [callbacks]
        return [cls(data), *callbacks]

    def on_epoch_begin(self, epoch, logs=None):
        self.current_epoch = epoch
        if not self.model.built:
            # TensorFlow would build it inside the first step, after the hook.
            self.data.build(self.model)
        self.model.epoch.assign(epoch)
        self.model.on_epoch_begin(epoch, self.data)

    def on_epoch_end(self, epoch, logs=None):
        self._raise_faults(f"in epoch {epoch + 1}")
        own = self.model.predicts_own
        self.model.on_epoch_end(epoch, self.data, logs)
        if not own:
            # Keras gives all callbacks one dict, this one's first.
            for name in [key for key in logs or () if key.startswith("val_")]:
                del logs[name]

    def on_test_end(self, logs=None):
        if self.current_epoch is None:
            self._raise_faults("in evaluation")

    def _raise_faults(self, where):
        self.model.sync_state()
        faults = keras.ops.convert_to_numpy(self.model.faults)
        labels, marks, broken = map(int, faults)
        if not (labels or marks or broken):
            return
        self.model.faults.assign([0, 0, 0])
        if labels:
            raise ValueError(
                "Labels must be integers from 0 to "
                f"{self.model.num_classes - 1}. Received: {labels} others "
                f"{where}. {_ONE_HOT}"
            )
        if marks:
            raise ValueError(
                "Presence marks must be booleans, or 0 and 1. Received: "
                f"{marks} others {where}."
            )
        raise ValueError(
            f"The loss was NaN or infinite in {broken} batches {where}. Look "
            "for NaN or infinite inputs, or lower the learning rate."
        )


def check_arrays(x, y, model):
    """Checks inputs and labels that are arrays in memory.

    Data that is read batch by batch is checked in the compiled step.

    Raises:
        ValueError: for inputs with NaN or inf, labels that are no classes,
            or names that are no modalities.
    """
    if isinstance(y, np.ndarray) and y.ndim and not len(y):
        raise ValueError("Expected data. Received: y without a row")
    if isinstance(x, dict):
        if y is None:
            batches.check_label_shape(None, model.num_classes)
        check_inputs(x, model.modalities)
        for name in model.modalities:
            marks = x.get(f"{name}_present")
            _check_marks(name, marks)
            for path, leaf in leaves(name, x[name]):
                _check_finite(path, leaf, marks, f"x['{name}_present']")
    if isinstance(y, np.ndarray):
        _check_labels(y, model.num_classes)


def _check_marks(name, marks):
    if not isinstance(marks, np.ndarray):
        return
    odd = ~np.isin(marks, (0, 1))
    if odd.any():
        first = int(odd.reshape(len(marks), -1).any(axis=1).argmax())
        raise ValueError(
            "Presence marks must be booleans, or 0 and 1. Received: "
            f"x['{name}_present'] with {int(odd.sum())} others, the first "
            f"being x['{name}_present'][{first}]={marks[first]}"
        )


def _check_finite(path, values, present, mark):
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        return
    broken = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if present is not None:
        broken &= np.asarray(present, "bool").reshape(-1)
    if broken.any():
        raise ValueError(
            f"Inputs must be finite. Received: {path} with NaN or inf "
            f"in {int(broken.sum())} of {len(broken)} rows, the first being "
            f"row {int(broken.argmax())}. If the modality is missing there, "
            f"mark the rows with {mark}."
        )


def _check_labels(y, num_classes):
    if y.dtype.kind not in "biuf":
        raise ValueError(
            f"Labels must be integers from 0 to {num_classes - 1}. Received: "
            f"y of type {y.dtype.str.lstrip('<>|=')}. Number the classes."
        )
    batches.check_label_shape(y.shape, num_classes)
    if batches.is_one_hot(y.shape, num_classes):
        off = np.abs(y.sum(axis=1, dtype="float64") - 1)
        broken = ~((off <= batches.SHARE_TOLERANCE) & (y >= 0).all(axis=1))
    else:
        y = y.reshape(-1)
        broken = ~((y >= 0) & (y < num_classes) & (y == np.floor(y)))
    if broken.any():
        first = int(broken.argmax())
        raise ValueError(
            f"Labels must be integers from 0 to {num_classes - 1}. Received: "
            f"y with {int(broken.sum())} others, the first being "
            f"y[{first}]={y[first]}. {_ONE_HOT}"
        )
