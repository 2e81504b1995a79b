"""Labels and weights as the Keras metrics read them."""

from keras import ops

from keras_balance.labels import is_one_hot


def class_indices(y_true, num_classes):
    """int32 `(batch,)` from indices, a column of them, or one-hot rows."""
    y_true = ops.convert_to_tensor(y_true)
    if is_one_hot(y_true.shape, num_classes):
        return ops.cast(ops.argmax(y_true, axis=-1), "int32")
    return ops.cast(ops.reshape(y_true, (-1,)), "int32")


def row_weights(sample_weight, labels, dtype):
    """`(batch,)` weights, ones where `sample_weight` is None."""
    if sample_weight is None:
        return ops.ones_like(labels, dtype=dtype)
    return ops.cast(ops.reshape(sample_weight, (-1,)), dtype)
