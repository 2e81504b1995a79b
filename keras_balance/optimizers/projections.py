"""Projections of the gradient of a linear map, from what it was given before.

A kernel K is `(dim, units)`, and the matrices here are `(dim, dim)`: they
multiply its gradient from the left. They are symmetric and in float32.
"""

from keras import ops

EPSILON = 1e-12
# Below this share of the largest, eigenvalues are taken to be equal.
LEAST_SPREAD = 1e-6


def next_projection(projection, mean, alpha):
    """The recursive least-squares projection, after one more batch.

        k = P hbar,   P <- P - k k' / (alpha + hbar' k),   P = I at the start

    Args:
        projection: float32 `(dim, dim)`, symmetric, P.
        mean: float32 `(dim,)`, hbar, the mean of the map's inputs.
        alpha: scalar above 0, how little of the direction is left.

    Returns:
        float32 `(dim, dim)`, symmetric with eigenvalues in [0, 1].
    """
    k = ops.matmul(projection, mean[:, None])[:, 0]
    inner = ops.sum(mean * k)
    # Rounding may leave P a negative eigenvalue next to 0, which further steps
    # along it would make larger and larger.
    k = ops.where(inner > 0, k, ops.zeros_like(k))
    scale = alpha + ops.maximum(inner, 0.0)
    return projection - k[:, None] * k[None, :] / scale


def flat_weights(eigenvalues, temperature):
    """How much of each eigenvector's direction a soft filter leaves.

        s_i = exp(-tau (l_i - min l) / (max l - min l))

    Args:
        eigenvalues: float32 `(dim,)`, l.
        temperature: float of at least 0, tau.

    Returns:
        float32 `(dim,)`, in [exp(-tau), 1]; 1 where all eigenvalues are equal.
    """
    low, high = ops.min(eigenvalues), ops.max(eigenvalues)
    spread = high - low
    differ = spread > ops.maximum(LEAST_SPREAD * ops.abs(high), EPSILON)
    share = (eigenvalues - low) / ops.where(differ, spread, 1.0)
    return ops.where(differ, ops.exp(-temperature * share), 1.0)


def flat_filter(covariance, temperature):
    """The soft filter of a covariance: sharp directions shrink, flat ones pass.

        C = U diag(l) U',   T = U diag(s) U',   s = `flat_weights(l, tau)`

    T does not depend on the scale of C, nor on the sign or order of the
    eigenvectors. As T is positive definite, T G is a descent direction
    wherever G is.

    Args:
        covariance: `(dim, dim)`, symmetric and positive semi-definite, C.
        temperature: float of at least 0, tau; 0 gives the identity.

    Returns:
        float32 `(dim, dim)`, symmetric with eigenvalues in [exp(-tau), 1].
    """
    covariance = ops.cast(covariance, "float32")
    # Of size 1, so that nothing overflows.
    size = ops.max(ops.abs(covariance))
    covariance = covariance / ops.where(size > 0, size, 1.0)
    # The shift changes neither vectors nor differences of values; without it
    # torch fails on many matrices of low rank, or returns NaN.
    identity = ops.eye(covariance.shape[0], dtype="float32")
    values, vectors = ops.eigh(covariance + identity)
    weights = flat_weights(values, temperature)
    found = ops.matmul(vectors * weights, ops.transpose(vectors))
    return (found + ops.transpose(found)) / 2


def kept_share(before, after):
    """|P G| / |G| over several gradients, and the weight of this number.

    Args:
        before: list of tensors, G.
        after: list of tensors, P G.

    Returns:
        `(share, weight)`: float32 scalars; 1 for gradients that are zero, and
        weight 0 where one is not finite, as half precision may overflow.
    """
    size, left = (
        ops.sqrt(sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in one))
        for one in (before, after)
    )
    finite = ops.logical_and(ops.isfinite(size), ops.isfinite(left))
    usable = ops.logical_and(finite, size > 0)
    share = ops.where(usable, left / ops.maximum(size, EPSILON), 1.0)
    return share, ops.cast(finite, "float32")
