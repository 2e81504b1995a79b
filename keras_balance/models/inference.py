"""The compiled forward pass of a multimodal model, with all that it yields."""

import keras
import numpy as np

from keras_balance.labels import is_one_hot
from keras_balance.models.structures import first_row


class Forward(keras.Model):
    """A model whose prediction is everything that `forward_pass` returns.

    A `keras.Model` is the public way to a compiled forward pass on every
    backend; it is compiled once, and reads the weights that the inner model
    has at each call.

    Args:
        model: a model with `forward_pass(x, training)` that returns
            `features`, `unimodal` and `logits`, as `MultimodalModel` does.
    """

    def __init__(self, model):
        # The inner model decides which inputs are cast, and where.
        super().__init__(dtype="float32", autocast=False)
        self.model = model

    def build(self, shapes):
        # The inner model builds itself at its first call.
        self.built = True

    def call(self, x):
        found = self.model.forward_pass(x, training=False)
        named = {"logits": found.logits}
        for name, value in found.unimodal.items():
            named[f"unimodal/{name}"] = value
        for name, value in found.features.items():
            named[f"features/{name}"] = value
        return named

    def on_batch(self, x):
        """Dict of NumPy arrays, by `logits`, `unimodal/NAME`, `features/NAME`.

        Args:
            x: dict of arrays by modality name.
        """
        if not self.model.built:
            # Keras on JAX would run every batch a second time, uncompiled,
            # to build a model that `forward_pass` never marks as built.
            self.model(first_row(x))
        return self.predict_on_batch(x)


class Untracked:
    """Hides a model from the one it is an attribute of.

    Keras would take the forward model for a layer of the model inside it.
    """

    def __init__(self, value):
        self.value = value


def forward_model(model, kind=Forward, **arguments):
    """The `Forward` of a model, the same one at every call.

    Args:
        model: see `Forward`.
        kind: `Forward`, or a class derived from it.
        **arguments: further ones of that class.
    """
    held = getattr(model, "_forward_models", None)
    if held is None:
        held = Untracked({})
        model._forward_models = held
    key = (kind, *sorted(arguments.items()))
    if key not in held.value:
        held.value[key] = kind(model, **arguments)
    return held.value[key]


def read_features(model, batches):
    """Features of data, without dropout, as NumPy.

    Args:
        model: a `MultimodalModel`.
        batches: iterable of `(x, y, sample_weight)` in NumPy.

    Returns:
        `(features, labels, weights)`: dict by modality of `(rows, dim)`,
        integers `(rows,)`, and dict by modality of row weights `(rows,)`,
        0 where the modality is absent.
    """
    forward = forward_model(model)
    features = {name: [] for name in model.modalities}
    weights = {name: [] for name in model.modalities}
    labels = []
    for x, y, weight in batches:
        found = forward.on_batch(x)
        labels.append(class_indices(y, model.num_classes))
        weight = np.ones(len(y)) if weight is None else np.reshape(weight, -1)
        for name in model.modalities:
            present = np.reshape(x.get(f"{name}_present", 1.0), -1)
            features[name].append(found[f"features/{name}"].astype("float32"))
            weights[name].append(weight * present)

    def joined(parts):
        return {name: np.concatenate(part) for name, part in parts.items()}

    return joined(features), np.concatenate(labels), joined(weights)


def class_indices(y, num_classes):
    """Integer labels `(batch,)` from indices, a column of them, or one-hot."""
    if is_one_hot(y.shape, num_classes):
        return np.argmax(y, axis=-1)
    return np.reshape(y, -1).astype("int64")
