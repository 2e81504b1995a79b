"""The mean of one linear map per modality."""

import keras

from keras_balance.fusions.sum import Sum


@keras.saving.register_keras_serializable("keras_balance")
class Mean(Sum):
    """f = (1 / M) sum_m u^m, with u^m = z^m W^m + b^m.

    As in LFM and in greedy multimodal learning. The split into unimodal logits
    that sum to f is u^m / M; `own_logits` are the u^m.
    """

    def call(self, features):
        return super().call(features) / len(features)

    def split(self, features):
        return [u / len(features) for u in super().split(features)]
