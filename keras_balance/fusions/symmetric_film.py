"""Symmetric FiLM: each modality is scaled and shifted by the others."""

import keras
from keras import ops

from keras_balance.fusions.concat import LinearHead


@keras.saving.register_keras_serializable("keras_balance")
class SymmetricFiLM(LinearHead):
    """h^m = gamma * z^m + beta with [gamma; beta] = z^other W^m + c^m.

    f = [h^1; ...; h^M] W + b. The form of MMCosine (Xu et al., ICASSP 2023),
    whose scaled cosines need a concatenation. With more than two modalities,
    our extension, gamma and beta come from all the others, concatenated.

    There is no split into unimodal logits: every part depends on all features.
    """

    min_modalities = 2

    def build(self, shapes):
        dims = [shape[-1] for shape in shapes]
        self.conditions = [
            self.dense(2 * dim, name=f"condition_{i}")
            for i, dim in enumerate(dims)
        ]
        for condition, dim in zip(self.conditions, dims, strict=True):
            condition.build((None, sum(dims) - dim))
        self.build_head(dims)

    def parts(self, features):
        parts = []
        for i, (z, condition) in enumerate(
            zip(features, self.conditions, strict=True)
        ):
            others = [*features[:i], *features[i + 1 :]]
            both = condition(ops.concatenate(others, axis=-1))
            gamma, beta = ops.split(both, 2, axis=-1)
            parts.append(gamma * ops.cast(z, gamma.dtype) + beta)
        return parts
