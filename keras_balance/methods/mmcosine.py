"""MMCosine: logits by scaled cosines, one sum over the modalities.

Xu, Feng, Zhang, Hu, "MMCosine: Multi-Modal Cosine Loss Towards Balanced
Audio-Visual Fine-Grained Learning", ICASSP 2023, arXiv 2303.05338.

    u^m_k = s <h^m, W^m_k> / (|h^m| |W^m_k|)
    f     = sum_m u^m in [-s M, s M],   L = CE(f, y)

h^m `(batch, dim)` is the part of modality m in the concatenation that the
fusion maps to logits (its features z^m with fusion="concat"), W^m_k `(dim,)`
the weights of class k that meet it. Without norms no modality can dominate by
long features or weights. The bias has no part in the logits and gets no
gradient. Any number of modalities.

Where the released code differs (`variant="code"`): it trains these logits and
then predicts with the ordinary linear map, norms and bias included.

Values of s: 10 (CREMA-D, VoxCeleb2) in the paper; 10 (CREMA-D) and 1 (AVE) in
the experiments of MLB. The symmetric fusions are those of its code. Its
contrastive loss, off by default there, is left out.
"""

import keras
from keras import ops

from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.fusions.concat import LinearHead
from keras_balance.models.balanced import BalancedModel

EPSILON = 1e-12


def cosine_logits(part, block, scale):
    """u_k = s cos(h, W_k).

    Args:
        part: `(batch, dim)`.
        block: `(dim, classes)`.
        scale: float, s.

    Returns:
        float32 `(batch, classes)`, in [-s, s]; 0 where a row or a class
        vector is 0.
    """
    part = ops.cast(part, "float32")
    block = ops.cast(block, "float32")
    return scale * ops.matmul(_unit(part, 1), _unit(block, 0))


def _unit(x, axis):
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    # The root has no gradient at 0.
    return x / ops.sqrt(ops.maximum(squares, EPSILON**2))


@keras.saving.register_keras_serializable("keras_balance")
class MMCosine(BalancedModel):
    """Joint training on the sum of scaled cosines.

    One forward and one backward pass a step. The unimodal logits are u^m; with
    a symmetric fusion part m depends on the other modalities too.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        scale: float above 0, s.
        fusion: "concat", "symmetric-film", "symmetric-gated", or another
            fusion that ends in one linear map of a concatenation
            (`keras_balance.fusions.LinearHead`).
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
    """

    has_unimodal_logits = True

    def __init__(
        self,
        encoders,
        num_classes,
        scale=10.0,
        fusion="concat",
        variant="paper",
        **kwargs,
    ):
        check_number("scale", scale)
        check_variant(variant)
        if kwargs.get("heads"):
            raise ValueError(
                "MMCosine's unimodal logits are the cosines of the fusion. "
                "Received: heads=True"
            )
        super().__init__(encoders, num_classes, fusion=fusion, **kwargs)
        if not isinstance(self.fusion, LinearHead):
            raise ValueError(
                "MMCosine needs a fusion that ends in one linear map of a "
                "concatenation: 'concat', 'symmetric-film' or "
                f"'symmetric-gated'. Received: {type(self.fusion).__name__}"
            )
        self.scale = scale
        self.variant = variant

    def combine(self, features, inputs, training=False):
        outputs = super().combine(features, inputs, training=training)
        parts = self.fusion.parts([features[name] for name in self.modalities])
        unimodal = {
            name: cosine_logits(part, block, self.scale)
            for name, part, block in zip(
                self.modalities, parts, self.fusion.blocks(), strict=True
            )
        }
        logits = outputs.logits
        if training or self.variant == "paper":
            logits = sum(unimodal.values())
        return outputs._replace(unimodal=unimodal, logits=logits)

    def get_config(self):
        return {
            **super().get_config(),
            "scale": self.scale,
            "variant": self.variant,
        }
