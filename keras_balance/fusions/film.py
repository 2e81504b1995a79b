"""FiLM: one modality scales and shifts the features of another."""

import keras
from keras import ops

from keras_balance.fusions.fusion import Fusion


@keras.saving.register_keras_serializable("keras_balance")
class FiLM(Fusion):
    """[gamma; beta] = z^1 W_1 + b_1, f = (gamma * z^2 + beta) W_2 + b_2.

    Perez et al., FiLM, AAAI 2018, in the one-sided form of the OGM-GE code:
    the first modality conditions the last one, and gamma is used as it is,
    not 1 + gamma. With more than two modalities, our extension, the features
    of all but the last are concatenated and condition the last.

    There is no split into unimodal logits.
    """

    min_modalities = 2

    def build(self, shapes):
        dim = shapes[-1][-1]
        self.condition = self.dense(2 * dim, name="condition")
        self.condition.build((None, sum(s[-1] for s in shapes[:-1])))
        self.head = self.dense(self.num_classes, name="head")
        self.head.build((None, dim))

    def call(self, features):
        condition = ops.concatenate(features[:-1], axis=-1)
        gamma, beta = ops.split(self.condition(condition), 2, axis=-1)
        return self.head(gamma * ops.cast(features[-1], gamma.dtype) + beta)
