"""How sure each modality is of the true class: what most methods compare."""

from keras import ops


def true_class_probability(logits, labels):
    """pi_i = softmax(u_i)[y_i], in float32.

    Args:
        logits: `(batch, classes)`.
        labels: int32 `(batch,)`.

    Returns:
        float32 `(batch,)`.
    """
    log_p = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    chosen = ops.take_along_axis(log_p, labels[:, None], axis=-1)
    return ops.exp(chosen[:, 0])


def complete_rows(outputs, batch):
    """Weights of the rows that have every modality, `(batch,)`.

    Scores are compared on these rows alone, so that a modality is not found
    weak for being absent.
    """
    weight = batch.weight
    for present in outputs.present.values():
        weight = weight * present
    return weight


def summed_scores(outputs, batch):
    """s^m = sum_i w_i pi^m_i over the rows that have every modality.

    Args:
        outputs: `Outputs` with unimodal logits.
        batch: `Batch`.

    Returns:
        `(scores, weight)`: a float32 tensor `(M,)` in the order of
        `outputs.unimodal`, and the scalar sum of the rows' weights.
    """
    rows = complete_rows(outputs, batch)
    scores = [
        ops.sum(rows * true_class_probability(u, batch.labels))
        for u in outputs.unimodal.values()
    ]
    return ops.stop_gradient(ops.stack(scores)), ops.sum(rows)


def mean_of_others(values):
    """For each modality the mean over the others, `(M,)` to `(M,)`."""
    count = values.shape[0]
    return (ops.sum(values) - values) / (count - 1)


def largest(values):
    """The maximum over the last axis; its gradient goes to the first one.

    The gradient of a maximum goes to the entries that equal it. A compiler
    may compute the entries twice and round them differently, so that none
    does, and the gradient is NaN.
    """
    chosen = ops.argmax(ops.stop_gradient(values), axis=-1)
    one_hot = ops.one_hot(chosen, values.shape[-1], dtype=values.dtype)
    return ops.sum(one_hot * values, axis=-1)
