"""Low-rank fusion: a product of affine maps of all modalities."""

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.fusions.fusion import Fusion


@keras.saving.register_keras_serializable("keras_balance")
class LowRank(Fusion):
    """f = sum_r w_r prod_m ([1; z^m] A^m_r) + b.

    Liu et al., "Efficient Low-rank Multimodal Fusion with Modality-Specific
    Factors" (LMF), ACL 2018: the outer product of all features, each with a
    constant 1, times a weight tensor of this rank. A^m_r is
    `(dim_m + 1, classes)`, w `(rank,)`, the product over modalities is
    elementwise.

    There is no split into unimodal logits. The factors A^m belong to their
    modality.

    Args:
        rank: integer, how many products are summed.
        **kwargs: arguments of `Fusion`.
    """

    min_modalities = 2

    def __init__(self, rank=4, **kwargs):
        super().__init__(**kwargs)
        check_count("rank", rank)
        self.rank = rank

    def build(self, shapes):
        # All factors of a modality side by side in one kernel, with the row
        # of the constant 1 as its bias.
        self.factors = [
            self.dense(self.rank * self.num_classes, name=f"factor_{i}")
            for i in range(len(shapes))
        ]
        for factor, shape in zip(self.factors, shapes, strict=True):
            # Biases of zero would make every gradient of the product zero
            # where another modality's features are zero.
            factor.bias_initializer = keras.initializers.Ones()
            factor.build(shape)
        self.weights_of_rank = self.add_weight(
            name="rank_weights",
            shape=(self.rank, 1),
            initializer=self.kernel_initializer.clone(),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.num_classes,), initializer="zeros"
        )

    def call(self, features):
        product = 1.0
        for factor, z in zip(self.factors, features, strict=True):
            product = product * ops.reshape(
                factor(z), (-1, self.rank, self.num_classes)
            )
        weights = ops.cast(self.weights_of_rank, product.dtype)
        bias = ops.cast(self.bias, product.dtype)
        return ops.sum(weights * product, axis=1) + bias

    def own_layers(self):
        return self.factors

    def get_config(self):
        return {**super().get_config(), "rank": self.rank}
