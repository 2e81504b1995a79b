"""Where the loss is sharpest nearby: the climb of SAM and ASAM."""

from keras import ops

EPSILON = 1e-12


def sam_perturbation(gradients, values, rho=0.05, adaptive=False):
    """The step to where the loss is highest within a radius, to first order.

        SAM:   e_i = rho g_i / |g|
        ASAM:  e_i = rho w_i^2 g_i / | |w| g |

    with the norms over all tensors of the list together. Where the gradient is
    zero there is no step.

    Args:
        gradients: list of tensors g_i, unscaled.
        values: list of tensors w_i of the same shapes, the weights.
        rho: float, the radius.
        adaptive: boolean, whether the radius follows the size of each weight.

    Returns:
        List of tensors e_i.
    """
    scaled = gradients
    if adaptive:
        scaled = [
            ops.abs(w) * g for g, w in zip(gradients, values, strict=True)
        ]
    squares = [ops.sum(ops.square(ops.cast(g, "float32"))) for g in scaled]
    factor = rho / (ops.sqrt(sum(squares)) + EPSILON)
    if adaptive:
        scaled = [ops.abs(w) * s for s, w in zip(scaled, values, strict=True)]
    return [ops.cast(factor, s.dtype) * s for s in scaled]
