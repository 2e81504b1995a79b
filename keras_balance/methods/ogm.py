"""OGM-GE: on-the-fly gradient modulation with generalisation enhancement.

Peng, Wei, Deng, Wang, Hu, "Balanced Multimodal Learning via On-the-fly
Gradient Modulation", CVPR 2022, arXiv 2203.15332.

    s^m   = sum_i softmax(u^m_i)[y_i]              score of modality m
    rho^m = s^m / s^other                          discrepancy ratio
    k^m   = 1 - tanh(alpha rho^m) if rho^m > 1, else 1
    theta^m <- theta^m - eta (k^m g^m + h),  h ~ N(0, Sigma_sgd)

u^m are the unimodal logits `(batch, classes)`, g^m the gradient of the joint
loss for encoder m, h the noise of GE, whose covariance in the paper is that of
the stochastic gradient. With more than two modalities rho^m is the mean of
s^m / s^j over the others, as the authors suggest.

Where the released code differs (`variant="code"`):

* only variables of rank 4 are touched: the kernels of 2-D convolutions;
* at rho = 1 the first modality is damped, in the paper none is.

In both variants sigma is one scalar per variable, the unbiased standard
deviation (ddof 1) of the elements of its raw gradient plus 1e-8, as in the
code: one gradient does not show the covariance of the paper. The noise goes to
every modality, damped or not, and is not multiplied by k.

The code modulates in a window of epochs, 0 to 50 with both ends included; the
paper's algorithm has none. It trains with momentum, in which k enters, and adds
L2 decay after the modulation: see `optimizers.CoupledWeightDecay`.
Values of alpha: 0.8 on CREMA-D, 0.1 on VGGSound.

Two further modes of OGM speed the weaker modality up instead: `accelerate`,
called Acc by the code of PMR, which compares itself with it, and `fixed`, the
OGM+ of the code of Wei, Hu, Du, Wen, T-PAMI 2024.

    accelerate  k^m = 1 + tanh(alpha rho^other) if rho^other > 1, else 1
    fixed       k^m = 4 if rho^other > 1, else 1

rho^other = s^other / s^m; with more than two modalities, our extension, the
mean of s^j / s^m over the others.
"""

import keras
from keras import ops

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.arguments import check_window
from keras_balance.mechanisms.convolution_kernels import TouchesKernels
from keras_balance.mechanisms.modulated import ModulatedModel
from keras_balance.optimizers.gradient_noise import tensor_noise

EPSILON = 1e-8
MODES = ("damp", "accelerate", "fixed")
# What OGM+ multiplies the weaker modality's gradient by.
FIXED = 4.0


def discrepancy_ratios(scores):
    """rho^m, the mean over the others of s^m / s^j: `(M,)` to `(M,)`."""
    count = scores.shape[0]
    ratios = scores[:, None] / (scores[None, :] + EPSILON)
    # Without the diagonal, masked and not subtracted, equal scores give 1.
    others = ops.cast(1.0 - ops.eye(count), ratios.dtype)
    return ops.sum(ratios * others, axis=1) / (count - 1)


def ogm_coefficients(scores, alpha, variant="paper"):
    """k^m from the scores.

    Args:
        scores: float32 `(M,)`, at least two, none negative.
        alpha: float above 0; 0 leaves every gradient as it is.
        variant: "paper" or "code".

    Returns:
        float32 `(M,)`, in [0, 1]; all 1 where every score is 0.
    """
    rho = discrepancy_ratios(scores)
    damped = rho > 1.0
    if variant == "code":
        none_other = ops.logical_not(ops.any(damped[1:]))
        first = ops.logical_and(none_other, ops.sum(scores) > 0)
        damped = ops.concatenate([first[None], damped[1:]])
    damping = 1.0 - ops.tanh(alpha * rho)
    return ops.where(damped, damping, ops.ones_like(damping))


def boost_coefficients(scores, alpha=None, variant="paper"):
    """k^m where the weaker modalities are sped up.

    Args:
        scores: float32 `(M,)`, at least two, none negative.
        alpha: float, at least 0, or None for the fixed factor.
        variant: "paper" or "code"; in the code the first of two equals counts
            as the stronger.

    Returns:
        float32 `(M,)`, in [1, 2] or, without alpha, of 1 and 4; all 1 where
        every score is 0.
    """
    count = scores.shape[0]
    others = ops.cast(1.0 - ops.eye(count), scores.dtype)
    ratios = scores[None, :] / (scores[:, None] + EPSILON)
    rho = ops.sum(ratios * others, axis=1) / (count - 1)
    weak = rho > 1.0
    if variant == "code":
        tie = ops.logical_not(ops.any(weak))
        rest = ops.logical_and(tie, ops.sum(scores) > 0)
        weak = ops.concatenate([weak[:1], ops.logical_or(weak[1:], rest)])
    boost = FIXED if alpha is None else 1.0 + ops.tanh(alpha * rho)
    return ops.where(weak, boost, 1.0)


class _Modulation(TouchesKernels, ModulatedModel):
    """The arguments and the window that OGM, GE and OGM-GE share.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        alpha: float, how strongly the stronger modality is damped.
        window: `(first, last)` epochs in which the method acts, counted from
            0 and both included, or None for all.
        variant: "paper", or "code" for what the authors' code does.
        apply_to: "gradient" or "update", see `ModulatedModel`. With "update"
            the step is k times the optimizer's step for g, minus the learning
            rate times the noise.
        seed: integer or None, seed of the noise.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these, and for a fusion without
            unimodal logits where `heads` is False.
    """

    damps = True
    adds_noise = False

    def __init__(
        self,
        encoders,
        num_classes,
        alpha=0.8,
        window=None,
        variant="paper",
        apply_to="gradient",
        seed=None,
        **kwargs,
    ):
        check_number("alpha", alpha)
        check_window(window)
        check_variant(variant)
        super().__init__(encoders, num_classes, apply_to=apply_to, **kwargs)
        self.alpha = alpha
        self.window = None if window is None else tuple(window)
        self.variant = variant
        self.seed = seed
        if self.adds_noise:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def active(self):
        return self.in_epochs(self.window)

    def coefficients(self, scores):
        if not self.damps:
            return ops.ones_like(scores)
        return ogm_coefficients(scores, self.alpha, self.variant)

    def factors(self, coefficients, variables):
        return self.encoder_factors(coefficients, variables, self.touches)

    def noise(self, gradients, variables):
        if not self.adds_noise or len(self.modalities) < 2:
            return None
        active = ops.cast(self.active(), "float32")
        encoders = {
            id(v)
            for name in self.modalities
            for v in self.encoders[name].trainable_variables
            if self.touches(v)
        }
        return [
            tensor_noise(g, self.seed_generator, scale=active)
            if id(v) in encoders
            else None
            for g, v in zip(gradients, variables, strict=True)
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "window": self.window,
            "variant": self.variant,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("keras_balance")
class OGM(_Modulation):
    """On-the-fly gradient modulation: theta <- theta - eta k g.

    One forward and one backward pass a step. The module's docstring has the
    equations and where paper and code differ. `mode` is "damp", which slows
    the stronger modality, "accelerate" (Acc), which speeds the weaker one up,
    or "fixed" (OGM+), which does so by a factor of 4 and ignores `alpha`.
    """

    __doc__ += _Modulation.__doc__.split("\n", 1)[1]

    def __init__(self, encoders, num_classes, mode="damp", **kwargs):
        check_choice("mode", mode, MODES)
        super().__init__(encoders, num_classes, **kwargs)
        self.mode = mode

    def coefficients(self, scores):
        if self.mode == "damp":
            return super().coefficients(scores)
        alpha = None if self.mode == "fixed" else self.alpha
        return boost_coefficients(scores, alpha, self.variant)

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable("keras_balance")
class OGMGE(_Modulation):
    """OGM with generalisation enhancement: theta <- theta - eta (k g + h).

    One forward and one backward pass, and a normal draw per variable, a step.
    The module's docstring has the equations and where paper and code differ.
    """

    __doc__ += _Modulation.__doc__.split("\n", 1)[1]
    adds_noise = True


@keras.saving.register_keras_serializable("keras_balance")
class GE(_Modulation):
    """Generalisation enhancement alone: theta <- theta - eta (g + h).

    `alpha` is without effect: k is 1. The module's docstring has the
    equations and where paper and code differ.
    """

    __doc__ += _Modulation.__doc__.split("\n", 1)[1]
    damps = False
    adds_noise = True
