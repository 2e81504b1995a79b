"""Mixup: rows of a batch, each mixed with another one."""

from keras import ops


def partners(draws, usable):
    """For each row another one to be mixed with, or itself.

    Args:
        draws: random float32 `(batch,)`, whose order is the partners'.
        usable: booleans `(batch,)`, the rows that may be mixed; the others
            are their own partners.

    Returns:
        Integers `(batch,)`.
    """
    order = ops.argsort(draws)
    own = ops.arange(ops.shape(draws)[0], dtype=order.dtype)
    both = ops.logical_and(usable, ops.take(usable, order))
    return ops.where(both, order, own)


def mixed(x, partner, share):
    """r x + (1 - r) x[partner].

    Args:
        x: floats `(batch, ...)`.
        partner: integers `(batch,)`.
        share: scalar in [0, 1], r.
    """
    x = ops.convert_to_tensor(x)
    r = ops.cast(share, x.dtype)
    return r * x + (1 - r) * ops.take(x, partner, axis=0)
