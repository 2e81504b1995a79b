"""Gaussian noise of the gradient's own size (OGM-GE's generalisation term).

Peng, Wei, Deng, Wang, Hu, CVPR 2022, arXiv 2203.15332, as their code has it:
one standard deviation per variable, over all elements of its gradient.
"""

import math

import keras
from keras import ops

from keras_balance.optimizers.indices import check_indices
from keras_balance.optimizers.indices import check_range
from keras_balance.optimizers.wrapper import SingleWrapper

EPSILON = 1e-8


def tensor_noise(gradient, seed, scale=1.0):
    """Draw N(0, sigma^2) noise, sigma being the gradient's own deviation.

    sigma is the unbiased standard deviation (ddof 1) of all elements, plus
    1e-8; their mean is not added. Computed in float32.

    Args:
        gradient: tensor of a static shape.
        seed: int or `keras.random.SeedGenerator`.
        scale: float or scalar tensor that multiplies sigma.

    Returns:
        A tensor of the gradient's shape and dtype: the noise alone. All zero
        where there is one element, whose deviation is undefined.
    """
    shape = tuple(gradient.shape)
    count = math.prod(shape)
    if count < 2:
        return ops.zeros(shape, dtype=gradient.dtype)
    # Scalars meet each other first: every pass over a large tensor counts.
    variance = ops.var(ops.cast(gradient, "float32"))
    sigma = ops.sqrt(variance * (count / (count - 1))) + EPSILON
    noise = keras.random.normal(shape, dtype="float32", seed=seed)
    return ops.cast((scale * sigma) * noise, gradient.dtype)


@keras.saving.register_keras_serializable(package="keras_balance")
class GradientNoise(SingleWrapper):
    """Add `tensor_noise` to gradients, then step `optimizer`.

    The state of the random numbers is saved with the optimizer, so that a
    reloaded model goes on with the same draws. With gradient accumulation
    every micro-batch gets noise of its own.

    Args:
        optimizer: `keras.optimizers.Optimizer`.
        seed: int, or None for a random one.
        indices: list of ints or None; indices, in the list of variables that
            the optimizer is built on, of those whose gradients get noise.
            None means all.
        name: optional name.
    """

    def __init__(self, optimizer, seed=None, indices=None, name=None):
        super().__init__(optimizer, name=name)
        self.seed = seed
        self.indices = check_indices("indices", indices)
        self.seed_generator = keras.random.SeedGenerator(seed)
        # The generator is invisible to Keras's tracking of optimizer state;
        # its Variable as an attribute is tracked, once.
        self.seed_state = self.seed_generator.state

    def build(self, variables):
        check_range("indices", self.indices, len(variables))
        super().build(variables)

    def transform(self, gradient, variable, index):
        if self.indices is not None and index not in self.indices:
            return gradient
        gradient = ops.convert_to_tensor(gradient, sparse=False)
        return gradient + tensor_noise(gradient, self.seed_generator)

    def get_config(self):
        indices = None if self.indices is None else list(self.indices)
        return {**super().get_config(), "seed": self.seed, "indices": indices}
