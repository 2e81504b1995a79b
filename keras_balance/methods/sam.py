"""SAM and ASAM: gradients from where the loss is sharpest nearby.

Foret, Kleiner, Mobahi, Neyshabur, "Sharpness-Aware Minimization for Efficiently
Improving Generalization", ICLR 2021, arXiv 2010.01412; Kwon, Kim, Park, Choi,
"ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of
Deep Neural Networks", ICML 2021, arXiv 2102.11600.

    g  = dL/dw at w
    e  = rho g / |g|                 SAM
    e  = rho w^2 g / | |w| g |       ASAM
    g' = dL/dw at w + e, on the same batch

and the optimizer takes its step from w with g'. w are all trainable weights as
one vector. The second pass has the first one's dropout masks, and moves
neither BatchNormalization's averages nor metrics. What does not take part in a
step, frozen layers or modalities that rest, is not in the norm. In ASAM a
weight that is 0 does not move; it is the form without the constant that the
paper adds to |w|.

Values: rho 0.05 (SAM), about ten times as much for ASAM.
"""

import keras

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_number
from keras_balance.mechanisms.sharpness import sharp_gradients
from keras_balance.models.balanced import BalancedModel


@keras.saving.register_keras_serializable("keras_balance")
class SAM(BalancedModel):
    """Joint training by the gradient at the sharpest point nearby.

    Two forward and two backward passes a step. Loss and metrics are those of
    the first pass, `<modality>_gradient_norm` is of the second one's gradient.

    Another method becomes sharpness-aware by inheriting from both, this class
    first; every gradient that its step asks for is then of two passes, and it
    takes `rho` and `adaptive` beside its own arguments:

        @keras.saving.register_keras_serializable()
        class SharpOGM(SAM, OGM):
            pass

    A method that wants this of some of its passes alone calls
    `keras_balance.mechanisms.sharpness.sharp_gradients` in them.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        rho: float, how far the second pass is from the weights.
        adaptive: boolean, whether that follows the size of each weight (ASAM).
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
    """

    def __init__(
        self, encoders, num_classes, rho=0.05, adaptive=False, **kwargs
    ):
        check_number("rho", rho)
        check_choice("adaptive", adaptive, (True, False))
        super().__init__(encoders, num_classes, **kwargs)
        self.rho = rho
        self.adaptive = adaptive

    def gradients(self, loss_fn, variables):
        return sharp_gradients(
            self,
            loss_fn,
            variables,
            self.rho,
            self.adaptive,
            first_pass=super().gradients,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "rho": self.rho,
            "adaptive": self.adaptive,
        }
