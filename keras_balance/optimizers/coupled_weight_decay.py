"""L2 regularisation added to the gradient, as torch.optim does it."""

import keras
from keras import ops

from keras_balance.engine import replicas
from keras_balance.optimizers.indices import check_indices
from keras_balance.optimizers.indices import check_range
from keras_balance.optimizers.wrapper import SingleWrapper


def coupled_decay(gradient, variable, weight_decay):
    """Return `gradient + weight_decay * variable`, in the gradient's dtype.

    Args:
        gradient: tensor.
        variable: tensor or Variable of the same shape.
        weight_decay: float, or scalar tensor.
    """
    dtype = gradient.dtype
    weights = ops.cast(variable, dtype)
    return ops.add(gradient, ops.cast(weight_decay, dtype) * weights)


@keras.saving.register_keras_serializable(package="keras_balance")
class CoupledWeightDecay(SingleWrapper):
    """Add `weight_decay * w` to every gradient, then step `optimizer`.

    This is `weight_decay` of `torch.optim.SGD` and `torch.optim.Adam`, which
    the papers' code uses: the decay enters clipping, momentum and the second
    moment. Keras's own `weight_decay` is decoupled: with SGD, a learning rate
    of 1e-3 and 1e-4 it would be 1e-7 a step.

    Every variable that has a gradient decays, biases and normalisation
    included, as in torch, except those excluded. With gradient accumulation
    the decay is added once per effective batch, in equal parts.

    Args:
        optimizer: `keras.optimizers.Optimizer`.
        weight_decay: float >= 0.
        exclude: list of ints or None; indices, in the list of variables that
            the optimizer is built on, of those that do not decay.
        name: optional name.

    Raises:
        ValueError: `weight_decay` is negative or not finite, or an index of
            `exclude` is not one of the variables (at build).
    """

    def __init__(self, optimizer, weight_decay, exclude=None, name=None):
        super().__init__(optimizer, name=name)
        if not 0 <= weight_decay < float("inf"):
            raise ValueError(
                "expected weight_decay to be a finite float >= 0. "
                f"Received: weight_decay={weight_decay}"
            )
        self.decay = float(weight_decay)
        self.exclude = check_indices("exclude", exclude)

    def build(self, variables):
        check_range("exclude", self.exclude, len(variables))
        super().build(variables)

    def transform(self, gradient, variable, index):
        if self.decay == 0 or (self.exclude and index in self.exclude):
            return gradient
        # The inner optimizer divides by its fixed loss scale afterwards, and
        # sums over the replicas.
        scale = (self.loss_scale_factor or 1.0) / replicas()
        return coupled_decay(gradient, variable, self.decay * scale)

    def get_config(self):
        exclude = None if self.exclude is None else list(self.exclude)
        return {
            **super().get_config(),
            "weight_decay": self.decay,
            "exclude": exclude,
        }
