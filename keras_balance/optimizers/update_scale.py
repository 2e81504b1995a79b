"""Scale what the optimizer does, not the gradient it sees.

A constant factor on the gradient is a change of learning rate under plain SGD
only: momentum delays it, and Adam cancels it altogether. Scaling the update,
w <- w_old + k (w_opt - w_old), is that change whatever the optimizer.
"""

import math

import keras
from keras import ops

from keras_balance.optimizers.wrapper import SingleWrapper


def scale_update(old, new, factor):
    """Return `old + factor * (new - old)`.

    Args:
        old: tensor, the value before the optimizer's step.
        new: tensor of the same shape and dtype, the value after it.
        factor: scalar, or a tensor that broadcasts against them.
    """
    factor = ops.cast(factor, new.dtype)
    # 1 must mean exactly `new`: old + (new - old) is rounded.
    return ops.where(ops.equal(factor, 1), new, old + factor * (new - old))


def uses_ema(optimizer):
    """Whether an optimizer, or one that it wraps, averages the weights."""
    inner = [getattr(optimizer, "inner_optimizer", None)]
    inner += getattr(optimizer, "optimizers", [])
    return optimizer.use_ema or any(uses_ema(o) for o in inner if o is not None)


@keras.saving.register_keras_serializable(package="keras_balance")
class UpdateScale(SingleWrapper):
    """Step `optimizer`, then keep only `scale` times what it changed.

    The whole change is scaled, decay included; slots are not. Constraints
    are applied again afterwards. With gradient accumulation nothing moves
    between updates, so nothing is scaled there.

    Args:
        optimizer: `keras.optimizers.Optimizer` without `use_ema`.
        scale: float >= 0, or a list of them, one per variable in the order
            of the list that the optimizer is built on.
        name: optional name.

    Raises:
        ValueError: a scale is negative or not finite; the optimizer has
            `use_ema` (its average would be of the unscaled weights); at
            build, there is not one scale per variable.
    """

    def __init__(self, optimizer, scale, name=None):
        super().__init__(optimizer, name=name)
        if uses_ema(optimizer):
            raise ValueError(
                "expected an optimizer with use_ema=False: its average would "
                "follow the weights before the update is scaled. Use "
                "keras.callbacks.SwapEMAWeights on another optimizer, or drop "
                "use_ema. Received: use_ema=True"
            )
        one = isinstance(scale, (int, float))
        scales = (float(scale),) if one else tuple(float(k) for k in scale)
        if not all(math.isfinite(k) and k >= 0 for k in scales):
            raise ValueError(
                "expected scale to be finite and >= 0. "
                f"Received: scale={scale!r}"
            )
        self.scale = scales[0] if one else scales

    def build(self, variables):
        if isinstance(self.scale, tuple) and len(self.scale) != len(variables):
            raise ValueError(
                f"expected one scale per variable ({len(variables)}). "
                f"Received: {len(self.scale)} scales"
            )
        super().build(variables)

    def step(self, gradients, variables):
        # A copy: torch updates the variables in place.
        before = [ops.stop_gradient(ops.copy(v)) for v in variables]
        super().step(gradients, variables)
        for old, variable in zip(before, variables, strict=True):
            if getattr(variable, "overwrite_with_gradient", False):
                continue
            factor = self.scale
            if isinstance(factor, tuple):
                factor = factor[self._get_variable_index(variable)]
            new = ops.stop_gradient(ops.convert_to_tensor(variable))
            self.assign(variable, scale_update(old, new, factor))
            if variable.constraint is not None:
                self.assign(variable, variable.constraint(variable))

    def get_config(self):
        scale = self.scale
        scale = list(scale) if isinstance(scale, tuple) else scale
        return {**super().get_config(), "scale": scale}
