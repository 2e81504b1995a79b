"""What a multimodal model says about every sample of a data set."""

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
        (samples, classes), `"features/<modality>"` (samples, dim), float32
        but for the labels; and, where the inputs mark it, boolean
        `"present/<modality>"` (samples,).

    Raises:
        TypeError: if `data` cannot be iterated.
        ValueError: if `data` is empty, endless or has no labels.
    """
    from keras_balance.models import fit_data
    from keras_balance.models import inference

    forward = inference.forward_model(model)
    parts = {}
    for x, y, _ in fit_data.batches(fit_data.as_tuple(data), batch_size):
        if y is None:
            raise ValueError(
                "Expected batches (x, y) with labels. Received: a batch of "
                f"type {type(x).__name__} without labels"
            )
        for name, value in forward.on_batch(x).items():
            parts.setdefault(name, []).append(value.astype("float32"))
            mark = name.removeprefix("features/") + "_present"
            if name.startswith("features/") and mark in x:
                rows = np.reshape(x[mark], -1) > 0
                key = name.replace("features", "present", 1)
                parts.setdefault(key, []).append(rows)
        parts.setdefault("labels", []).append(_label_vector(y))
    if not parts:
        raise ValueError(
            f"Expected at least one batch. Received: data={data!r}, empty"
        )
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _label_vector(labels):
    """Labels (batch,); Keras also takes (batch, 1)."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    return labels
