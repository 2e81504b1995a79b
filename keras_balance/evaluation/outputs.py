"""What a multimodal model says about every sample of a data set."""

import operator

import numpy as np


def outputs(model, data, batch_size=32):
    """Runs `model.forward_pass(x, training=False)` over `data`, compiled.

    Args:
        model: a model with `forward_pass(x, training)` that returns
            `features` and `unimodal` (dicts by modality name; `unimodal` may
            be empty) and `logits`, as every `keras_balance` model has.
        data: what `fit` takes and can be iterated once: a
            `keras.utils.PyDataset`, a `tf.data.Dataset` or any iterable of
            `(x, y)` batches, or one tuple `(x, y)` of arrays. Sample weights
            are allowed and have no influence.
        batch_size: rows per batch where `data` is one tuple of arrays.

    Returns:
        A dict of NumPy arrays in the order of `data`: `"labels"`
        (samples,), `"logits"` (samples, classes), `"unimodal/<modality>"`
        (samples, classes), `"features/<modality>"` (samples, dim). All but
        the labels are float32.

    Raises:
        TypeError: if `data` cannot be iterated.
        ValueError: if `data` is empty, endless or has no labels.
    """
    forward = _forward_model(model)
    parts = {}
    for x, y in _batches(data, batch_size):
        _build(model, x)
        for name, value in forward.predict_on_batch(x).items():
            parts.setdefault(name, []).append(value.astype("float32"))
        parts.setdefault("labels", []).append(_label_vector(y))
    if not parts:
        raise ValueError(
            f"Expected at least one batch. Received: data={data!r}, empty"
        )
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _forward_model(model):
    """A model whose prediction is everything that `forward_pass` returns.

    A `keras.Model` is the public way to a compiled forward pass on every
    backend.
    """
    import keras

    class Forward(keras.Model):
        def __init__(self):
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

    return Forward()


def _build(model, x):
    """Builds the model on one row, where nothing has called it yet.

    Keras on JAX would run every batch a second time, uncompiled, to build a
    model that `forward_pass` alone never marks as built.
    """
    import keras

    if not model.built:
        model(keras.tree.map_structure(lambda array: array[:1], x))


def _batches(data, batch_size):
    """Yields `(x, y)` as NumPy arrays."""
    import keras

    for batch in _raw_batches(data, batch_size):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        if y is None:
            raise ValueError(
                "Expected batches (x, y) with labels. Received: a batch of "
                f"type {type(batch).__name__} without labels"
            )
        yield keras.tree.map_structure(keras.ops.convert_to_numpy, (x, y))


def _raw_batches(data, batch_size):
    import keras

    if isinstance(data, keras.utils.PyDataset):
        if data.num_batches is None:
            raise ValueError(
                "Expected a finite data set. Received: a "
                f"{type(data).__name__} with num_batches=None"
            )
        return (data[index] for index in range(data.num_batches))
    if isinstance(data, tuple):
        return _slices(data, batch_size)
    if not hasattr(data, "__iter__"):
        raise TypeError(
            "Expected a PyDataset, a tuple (x, y) of arrays or an iterable "
            f"of batches (x, y). Received: data={data!r}"
        )
    return iter(data)


def _slices(arrays, batch_size):
    """Yields consecutive batches of a tuple `(x, y)` of arrays."""
    import keras

    lengths = {len(array) for array in keras.tree.flatten(arrays)}
    if len(lengths) != 1:
        raise ValueError(
            "Expected arrays of one length. Received: "
            f"lengths={sorted(lengths)}"
        )
    for start in range(0, lengths.pop(), batch_size):
        take = operator.itemgetter(slice(start, start + batch_size))
        yield keras.tree.map_structure(take, arrays)


def _label_vector(labels):
    """Labels (batch,); Keras also takes (batch, 1)."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    return labels
