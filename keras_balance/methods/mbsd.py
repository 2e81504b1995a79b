"""MBSD: the modalities learn from each other where one of them is right.

"Liu et al. 2023" in the table of BalanceBenchmark (arXiv 2502.10816), whose
code is the only source that was found of it.

    L     = CE(f, y) + sum_m CE(u^m, y) + L_RS + L_KL
    pi^m  = softmax(u^m_i)[y_i]
    w_i   = |pi^1 - pi^2| where either modality's arg-max is right, else 0
    L_RS  = mean_i w_i |u^1_i - u^2_i|^2 / C
    L_KL  = mean_i w_i pi_w (log pi_w - log pi_s),
            pi_w = min(pi^1, pi^2), pi_s = max(pi^1, pi^2)

u^m are the unimodal logits and f the fused ones, `(batch, C)`. The weights w
`(batch,)` grow with what the modalities disagree on; no gradient goes through
them. L_KL is the true class's term of KL(weak || strong) and can be negative.
With more than two modalities L_RS and L_KL are means over all pairs.

What the benchmark's code does beside that (`variant="code"`): its KL helper is
given the probability pi_s where it expects log pi_s, w is differentiated, and
with three modalities L_RS compares probabilities, not logits.

There are no hyper-parameters.
"""

import itertools

import keras
from keras import ops

from keras_balance.arguments import check_variant
from keras_balance.models import scores
from keras_balance.models.balanced import BalancedModel

EPSILON = 1e-12


def pair_weights(one, other, labels):
    """w_i: how far two modalities are apart, where either is right.

    Args:
        one: float32 logits `(batch, classes)`.
        other: the other modality's, likewise.
        labels: int32 `(batch,)`.

    Returns:
        float32 `(batch,)`.
    """
    gap = ops.abs(
        scores.true_class_probability(one, labels)
        - scores.true_class_probability(other, labels)
    )
    right = [
        ops.equal(ops.cast(ops.argmax(u, axis=-1), "int32"), labels)
        for u in (one, other)
    ]
    return ops.where(ops.logical_or(*right), gap, ops.zeros_like(gap))


def squared_distance(one, other):
    """|one_i - other_i|^2 / C, `(batch,)`."""
    return ops.mean(ops.square(one - other), axis=-1)


def true_class_divergence(one, other, labels, variant="paper"):
    """pi_w (log pi_w - log pi_s), `(batch,)`.

    Args:
        one: float32 logits `(batch, classes)`.
        other: the other modality's, likewise.
        labels: int32 `(batch,)`.
        variant: "paper", or "code" with pi_s in the place of log pi_s.
    """
    probabilities = [
        scores.true_class_probability(u, labels) for u in (one, other)
    ]
    weak, strong = ops.minimum(*probabilities), ops.maximum(*probabilities)
    log_weak = ops.log(ops.maximum(weak, EPSILON))
    if variant == "code":
        return weak * (log_weak - strong)
    return weak * (log_weak - ops.log(ops.maximum(strong, EPSILON)))


@keras.saving.register_keras_serializable("keras_balance")
class MBSD(BalancedModel):
    """Unimodal losses, and two terms that bring the modalities together.

    One forward and one backward pass a step.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        variant: "paper", or "code" for what BalanceBenchmark does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these, and for a fusion without
            unimodal logits where there are no heads.
    """

    needs_unimodal_logits = True
    trains_heads = True

    def __init__(self, encoders, num_classes, variant="paper", **kwargs):
        check_variant(variant)
        super().__init__(encoders, num_classes, **kwargs)
        self.variant = variant

    def training_loss(self, outputs, batch):
        loss = super().training_loss(outputs, batch)
        if len(self.modalities) < 2:
            return loss
        for name in self.modalities:
            loss = loss + self.unimodal_loss(name, outputs, batch)
        pairs = list(itertools.combinations(self.modalities, 2))
        terms = [self.pair_loss(pair, outputs, batch) for pair in pairs]
        return loss + sum(terms) / len(pairs)

    def pair_loss(self, names, outputs, batch):
        """L_RS + L_KL of two modalities, over the rows that have both."""
        pair = [outputs.unimodal[name] for name in names]
        weights = pair_weights(*pair, batch.labels)
        compared = pair
        if self.variant == "paper":
            weights = ops.stop_gradient(weights)
        elif len(self.modalities) > 2:
            compared = [ops.softmax(u, axis=-1) for u in pair]
        terms = squared_distance(*compared) + true_class_divergence(
            *pair, batch.labels, self.variant
        )
        rows = self.shared_weight(names, outputs, batch)
        return self.row_mean(weights * terms, rows)

    def get_config(self):
        return {**super().get_config(), "variant": self.variant}
