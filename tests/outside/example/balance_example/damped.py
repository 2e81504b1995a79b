"""Damped: every encoder's gradient by one factor, to show a method's shape.

    g_m <- k g_m

g_m is the gradient of the encoder of modality m.
"""

import keras
from keras import ops

from keras_balance.mechanisms.modulated import ModulatedModel


@keras.saving.register_keras_serializable("balance_example")
class Damped(ModulatedModel):
    """Joint training with slower encoders.

    Args:
        encoders: dict from modality name to encoder.
        num_classes: integer.
        damping: float, k; 1 is joint training.
        **kwargs: arguments of `keras_balance.BalancedModel`.
    """

    def __init__(self, encoders, num_classes, damping=0.5, **kwargs):
        if not 0 <= damping <= 1:
            raise ValueError(
                f"damping must be from 0 to 1. Received: damping={damping!r}"
            )
        super().__init__(encoders, num_classes, **kwargs)
        self.damping = damping

    def coefficients(self, scores):
        return self.damping * ops.ones_like(scores)

    def factors(self, coefficients, variables):
        return self.encoder_factors(coefficients, variables)

    def get_config(self):
        return {**super().get_config(), "damping": self.damping}
