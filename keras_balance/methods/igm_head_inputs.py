"""What the linear maps of one modality's head are given, and its moments."""

import keras
import numpy as np

from keras_balance.models.inference import Untracked

EPSILON = 1e-12


class HeadInputs(keras.Model):
    """What the linear maps of one modality's head are given, in prediction.

    No other modality is run.

    Args:
        model: a model with `own_head`, such as `OneAtATime`.
        name: the modality.
    """

    def __init__(self, model, name):
        super().__init__(dtype="float32", autocast=False)
        self.model = model
        self.modality = name

    def build(self, shapes):
        self.built = True

    def call(self, x):
        given = self.model.encode(self.modality, x, training=False)
        given = keras.ops.cast(given, "float32")
        found = []
        for layer in _layers(self.model.own_head(self.modality)):
            if isinstance(layer, keras.layers.Dense):
                found.append(keras.ops.cast(given, "float32"))
            given = layer(given)
        return found

    def on_batch(self, x):
        """List of NumPy `(batch, dim)`, one for each linear map.

        Args:
            x: dict of arrays by modality name.
        """
        own = (self.modality, f"{self.modality}_present")
        return self.predict_on_batch({k: x[k] for k in own if k in x})


def linear_maps(head):
    """The linear maps of a head, a `Sequential` or a single layer."""
    return [x for x in _layers(head) if isinstance(x, keras.layers.Dense)]


def _layers(head):
    return getattr(head, "layers", [head])


def head_inputs(model, name):
    """The `HeadInputs` of a modality, the same one at every call."""
    held = getattr(model, "_head_inputs", None)
    if held is None:
        held = Untracked({})
        model._head_inputs = held
    if name not in held.value:
        held.value[name] = HeadInputs(model, name)
    return held.value[name]


def second_moment(rows, weight, of_means=False):
    """sum_i w_i a_i a_i', or m m' with the weighted mean m.

    Args:
        rows: NumPy `(batch, dim)`.
        weight: NumPy `(batch,)`.
        of_means: boolean, whether it is that of the batch's mean alone.

    Returns:
        NumPy float64 `(dim, dim)`.
    """
    rows = rows.astype("float64")
    # Rows without weight may hold anything.
    rows = np.where(weight[:, None] > 0, rows, 0.0)
    if of_means:
        mean = weight @ rows / max(weight.sum(), EPSILON)
        return np.outer(mean, mean)
    return rows.T @ (weight[:, None] * rows)


def input_moments(model, name, batches, of_means=False):
    """Uncentred second moments of what the maps of a head are given.

    One forward pass of one modality, without dropout.

    Args:
        model: see `HeadInputs`.
        name: the modality.
        batches: iterable of `(x, y, sample_weight)` in NumPy.
        of_means: boolean, whether the moments are of batches' means.

    Returns:
        List of NumPy float32 `(dim, dim)`, one for each linear map, scaled to
        a largest entry of 1.
    """
    forward, total = head_inputs(model, name), None
    for x, y, weight in batches:
        weight = np.ones(len(y)) if weight is None else weight
        weight = np.reshape(weight, -1).astype("float64")
        weight = weight * np.reshape(x.get(f"{name}_present", 1.0), -1)
        found = [
            second_moment(rows, weight, of_means)
            for rows in forward.on_batch(x)
        ]
        total = total or [0.0] * len(found)
        total = [one + new for one, new in zip(total, found, strict=True)]
    return [
        (one / max(np.abs(one).max(), EPSILON)).astype("float32")
        for one in total or ()
    ]
