"""Methods that multiply each modality's gradient or step by a coefficient."""

import warnings

import keras
from keras import ops

from keras_balance.models.balanced import BalancedModel
from keras_balance.models.balanced import Update
from keras_balance.optimizers.update_scale import scale_update
from keras_balance.optimizers.update_scale import uses_ema

SCALE_FREE = (
    keras.optimizers.Adam,
    keras.optimizers.Adamax,
    keras.optimizers.Nadam,
    keras.optimizers.RMSprop,
    keras.optimizers.Adagrad,
    keras.optimizers.Adadelta,
    keras.optimizers.Adafactor,
    keras.optimizers.Lion,
)
APPLY_TO = ("gradient", "update")


class ModulatedModel(BalancedModel):
    """The base of OGM, MLB and their kin.

    A subclass implements `coefficients(scores)`, pure mathematics from the
    modalities' summed scores `(M,)` to their coefficients `(M,)`, and
    `factors(coefficients)`, which variable is multiplied by which.

    Args:
        apply_to: "gradient" multiplies the gradient before the optimizer, as
            released code does; under Adam a constant coefficient is then
            without effect. "update" multiplies the step that the optimizer
            makes, decay included, w <- w_old + k (w_new - w_old), whatever
            the optimizer.
        **kwargs: arguments of `MultimodalModel`.
    """

    needs_unimodal_logits = True
    tracked = ("coefficient",)

    def __init__(self, encoders, num_classes, apply_to="gradient", **kwargs):
        if apply_to not in APPLY_TO:
            raise ValueError(
                f"apply_to must be one of {APPLY_TO}. Received: "
                f"apply_to={apply_to!r}"
            )
        super().__init__(encoders, num_classes, **kwargs)
        self.apply_to = apply_to

    def coefficients(self, scores):
        """Coefficients `(M,)` from summed scores `(M,)`."""
        raise NotImplementedError

    def factors(self, coefficients, variables):
        """A factor for each variable, None where it is not multiplied."""
        raise NotImplementedError

    def noise(self, gradients, variables):
        """Noise for each variable's gradient, or None."""
        return None

    def active(self):
        """Whether the method acts in this epoch: a scalar boolean tensor."""
        return self.in_epochs(None)

    def step_coefficients(self, outputs, batch):
        """The coefficients `(M,)` of this step; 1 where nothing compares."""
        scores, weight = self.scores(outputs, batch)
        ones = ops.ones_like(scores)
        coefficients = ones
        # One modality, or a batch without a complete row: nothing to compare.
        if len(self.modalities) > 1:
            usable = ops.logical_and(self.active(), weight > 0)
            coefficients = ops.where(usable, self.coefficients(scores), ones)
            # Half precision may overflow, and then skips the step.
            coefficients = ops.where(
                ops.isfinite(coefficients), coefficients, ones
            )
        return coefficients

    def modulate(self, gradients, outputs, batch):
        coefficients = self.step_coefficients(outputs, batch)
        for i, name in enumerate(self.modalities):
            self.track(f"{name}_coefficient", coefficients[i])
        variables = self.moving_variables()
        factors = self.factors(coefficients, variables)
        noise = self.noise(gradients, variables)
        update = Update(gradients, factors, noise)
        return update if self.apply_to == "update" else _into_gradient(update)

    def update(self, update, variables):
        if update.factors is None:
            return super().update(update, variables)
        moves = [
            (v, k, h)
            for v, k, h in _aligned(variables, update)
            if k is not None or h is not None
        ]
        old = [ops.copy(v.value) for v, _, _ in moves]
        inner = innermost(self.optimizer)
        steps_before = ops.copy(inner.iterations)
        # Read now: a schedule moves on with the step.
        rate = ops.cast(self.optimizer.learning_rate, "float32")
        self.apply_gradients(update.gradients, variables)
        # A micro-batch that is only accumulated moves nothing, and neither
        # does a step that loss scaling skips.
        moved = ops.not_equal(inner.iterations, steps_before)
        # One draw stands for the mean of those of all micro-batches.
        rate = rate / (inner.gradient_accumulation_steps or 1) ** 0.5
        for before, (v, k, h) in zip(old, moves, strict=True):
            value = ops.convert_to_tensor(v)
            if k is not None:
                value = scale_update(before, value, k)
            if h is not None:
                value = ops.where(moved, value - rate * h, value)
            v.assign(value if v.constraint is None else v.constraint(value))

    def encoder_factors(self, coefficients, variables, applies=None):
        """Factors for the encoders' variables.

        Args:
            coefficients: `(M,)`.
            variables: list of variables.
            applies: None for all of an encoder's variables, or a predicate.

        Returns:
            List with a scalar tensor or None for each variable.
        """
        owner = {
            id(v): i
            for i, name in enumerate(self.modalities)
            for v in self.encoders[name].trainable_variables
            if applies is None or applies(v)
        }
        return [
            coefficients[owner[id(v)]] if id(v) in owner else None
            for v in variables
        ]

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        inner = innermost(self.optimizer)
        if self.apply_to == "update" and uses_ema(self.optimizer):
            raise ValueError(
                "apply_to='update' cannot be combined with a moving average "
                "of the weights, which would hold the full steps. Received: "
                "use_ema=True. Use apply_to='gradient' or the callback "
                "keras.callbacks.SwapEMAWeights."
            )
        if self.apply_to == "gradient" and isinstance(inner, SCALE_FREE):
            warnings.warn(
                f"{type(self).__name__} multiplies gradients, and "
                f"{type(inner).__name__} divides by their size: only changes "
                "of the coefficients have an effect. Use apply_to='update' or "
                "SGD.",
                stacklevel=2,
            )

    def get_config(self):
        return {**super().get_config(), "apply_to": self.apply_to}


def innermost(optimizer):
    """The optimizer that others wrap."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer


def _aligned(variables, update):
    noise = update.noise or [None] * len(variables)
    return zip(variables, update.factors, noise, strict=True)


def _into_gradient(update):
    """g <- k g + h, before the optimizer."""
    gradients = []
    for g, k, h in _aligned(update.gradients, update):
        if k is not None:
            g = ops.cast(k, g.dtype) * g
        gradients.append(g if h is None else g + h)
    return Update(gradients)
