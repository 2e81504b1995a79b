"""The larger of the modalities' logits, class by class."""

import keras
from keras import ops

from keras_balance.fusions.sum import Sum


@keras.saving.register_keras_serializable("balance_example")
class Largest(Sum):
    """f_c = max_m u^m_c, with u^m = z^m W^m + b^m."""

    splits = False

    def call(self, features):
        logits = [self.own_logits(m, z) for m, z in enumerate(features)]
        return ops.max(ops.stack(logits), axis=0)
