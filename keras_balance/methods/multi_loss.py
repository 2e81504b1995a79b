"""Multi-Loss, and Multi-Loss Balanced (MLB).

Kontras, Chatzichristos, Blaschko, De Vos, "Improving Multimodal Learning with
Multi-Loss Gradient Modulation", BMVC 2024, arXiv 2405.07930.

    L   = CE(f, y) + sum_m CE(u^m, y)
    s_m = sum_i softmax(u^m_i)[y_i]                     (Eq. 4)
    r_m = mean_{j != m} s_j / s_m
    k_m = 1 + (beta_m - 1) tanh(alpha (r_m - 1)),
          beta_m = beta_max if r_m > 1 else 2
    Delta theta_m = -lr k_m dL/dtheta_m                 (Eq. 2)

f are the fused logits, u^m those of a dedicated linear head on the features of
modality m, both `(batch, classes)`. A weak modality (r > 1) is sped up to
beta_max at most, a strong one slowed to 1 - tanh(alpha) at least, and k is
continuous at r = 1.

Where the released code differs (`variant="code"`): it scales the gradient
before Adam, which cancels constant factors, and also the modality's block of
the fusion's weights; the paper scales the step of the modality's parameters.
`apply_to` follows the variant unless it is given.

Values: the released configurations have alpha 0.8 and beta_max 2 (CREMA-D,
AVE), the commands of its README alpha 0.5 and beta_max 10 (CREMA-D, ResNet).
"""

import keras
from keras import ops

from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.mechanisms.modulated import ModulatedModel
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.checks import with_heads

EPSILON = 1e-8


def mlb_coefficients(scores, alpha, beta_max):
    """k_m from the scores.

    Args:
        scores: float32 `(M,)`, at least two, none negative.
        alpha: float, at least 0; 0 leaves every step as it is.
        beta_max: float, at least 1, the limit for a weak modality.

    Returns:
        float32 `(M,)`, in [1 - tanh(alpha), beta_max]; exactly 1 where scores
        are equal or all 0.
    """
    # r - 1 from differences, so that equal scores give exactly 0.
    differences = ops.sum(scores[None, :] - scores[:, None], axis=1)
    excess = differences / (scores.shape[0] - 1) / (scores + EPSILON)
    beta = ops.where(excess > 0, beta_max, 2.0)
    return 1.0 + (beta - 1.0) * ops.tanh(alpha * excess)


class _UnimodalLosses:
    """Adds the losses on the dedicated heads."""

    trains_heads = True

    def training_loss(self, outputs, batch):
        loss = super().training_loss(outputs, batch)
        for name in self.modalities:
            loss = loss + self.unimodal_loss(name, outputs, batch)
        return loss


@keras.saving.register_keras_serializable("keras_balance")
class MultiLoss(_UnimodalLosses, BalancedModel):
    """Joint training with a loss on each modality's own head.

    One forward and one backward pass a step. All losses weigh 1.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        **kwargs: further arguments of `keras_balance.MultimodalModel`;
            `heads` cannot be False.
    """

    def __init__(self, encoders, num_classes, **kwargs):
        super().__init__(
            encoders, num_classes, **with_heads(kwargs, "Multi-Loss")
        )


@keras.saving.register_keras_serializable("keras_balance")
class MultiLossBalanced(_UnimodalLosses, ModulatedModel):
    """Multi-Loss, with the pace of each modality set by its score.

    One forward and one backward pass a step.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        alpha: float, how strongly the pace follows the scores.
        beta_max: float of at least 1, the most a weak modality is sped up.
        variant: "paper", or "code" for what the authors' code does.
        apply_to: "gradient", "update", or None for "update" in the paper's
            variant and "gradient" in the code's; see `ModulatedModel`.
        **kwargs: further arguments of `keras_balance.MultimodalModel`;
            `heads` cannot be False.

    Raises:
        ValueError: for values other than these.
    """

    def __init__(
        self,
        encoders,
        num_classes,
        alpha=0.8,
        beta_max=2.0,
        variant="paper",
        apply_to=None,
        **kwargs,
    ):
        check_number("alpha", alpha)
        check_number("beta_max", beta_max, least=1)
        check_variant(variant)
        if apply_to is None:
            apply_to = "update" if variant == "paper" else "gradient"
        super().__init__(
            encoders,
            num_classes,
            apply_to=apply_to,
            **with_heads(kwargs, "MLB"),
        )
        self.alpha = alpha
        self.beta_max = beta_max
        self.variant = variant

    def coefficients(self, scores):
        return mlb_coefficients(scores, self.alpha, self.beta_max)

    def factors(self, coefficients, variables):
        own = {}
        for i, name in enumerate(self.modalities):
            layers = (self.encoders[name], self.heads[name])
            for layer in layers:
                for v in layer.trainable_variables:
                    own[id(v)] = coefficients[i]
        if self.variant == "code":
            fusion = self.fusion.trainable_variables
            each = [coefficients[i] for i in range(len(self.modalities))]
            blocks = self.fusion.block_factors(each)
            own.update({id(fusion[i]): k for i, k in blocks.items()})
        return [own.get(id(v)) for v in variables]

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "beta_max": self.beta_max,
            "variant": self.variant,
        }
