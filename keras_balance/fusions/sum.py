"""The sum of one linear map per modality."""

import keras
from keras import ops

from keras_balance.fusions.fusion import Fusion


@keras.saving.register_keras_serializable("keras_balance")
class Sum(Fusion):
    """f = sum_m u^m, with u^m = z^m W^m + b^m.

    Each modality has a map of its own, so one modality can be trained while
    nothing that another one uses moves.

    The released code of OGM-GE halves the biases when it validates this
    fusion, though not when it trains; here u^m is the same in both.
    """

    splits = True
    separate = True

    def build(self, shapes):
        self.heads = [
            self.dense(self.num_classes, name=f"head_{i}")
            for i in range(len(shapes))
        ]
        for head, shape in zip(self.heads, shapes, strict=True):
            head.build(shape)

    def call(self, features):
        return sum(self._maps(features))

    def split(self, features):
        return [ops.cast(u, "float32") for u in self._maps(features)]

    def own_logits(self, modality, features):
        return ops.cast(self.heads[modality](features), "float32")

    def block_factors(self, factors):
        own = {
            id(head.kernel): k
            for head, k in zip(self.heads, factors, strict=True)
        }
        return {
            i: own[id(v)]
            for i, v in enumerate(self.trainable_variables)
            if id(v) in own
        }

    def own_variables(self, modality):
        return self.heads[modality].trainable_variables

    def _maps(self, features):
        return [head(z) for head, z in zip(self.heads, features, strict=True)]
