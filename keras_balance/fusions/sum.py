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

    def own_layers(self):
        return self.heads

    def block_factors(self, factors):
        own = super().block_factors(factors)
        biases = {id(head.bias) for head in self.heads}
        variables = self.trainable_variables
        return {i: k for i, k in own.items() if id(variables[i]) not in biases}

    def _maps(self, features):
        return [head(z) for head, z in zip(self.heads, features, strict=True)]
