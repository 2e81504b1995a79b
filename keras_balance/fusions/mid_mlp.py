"""Mid-MLP: a small network on the concatenated features."""

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.fusions.concat import row_factors
from keras_balance.fusions.fusion import Fusion


@keras.saving.register_keras_serializable("keras_balance")
class MidMLP(Fusion):
    """f = MLP([z^1; ...; z^M]), with ReLU and dropout between linear maps.

    The fusion of MLB (Kontras et al., BMVC 2024): its paper has two linear
    maps, its code three, both of width 64 with dropout of 0.1.

    There is no split into unimodal logits. The rows of the first map that
    meet a modality belong to it.

    Args:
        units: integer, the width of the hidden layers.
        depth: integer of at least 2, how many linear maps there are.
        dropout: float, the rate of dropout after each hidden layer.
        **kwargs: arguments of `Fusion`.
    """

    def __init__(self, units=64, depth=2, dropout=0.1, **kwargs):
        super().__init__(**kwargs)
        check_count("depth", depth, least=2)
        self.units = units
        self.depth = depth
        self.dropout = dropout

    def build(self, shapes):
        self.dims = [shape[-1] for shape in shapes]
        widths = [sum(self.dims), *[self.units] * (self.depth - 1)]
        outputs = [*widths[1:], self.num_classes]
        self.maps = [
            self.dense(units, name=f"map_{i}")
            for i, units in enumerate(outputs)
        ]
        for one, width in zip(self.maps, widths, strict=True):
            one.build((None, width))
        self.drop = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def call(self, features, training=False):
        hidden = ops.concatenate(features, axis=-1)
        *hidden_maps, last = self.maps
        for one in hidden_maps:
            hidden = self.drop(ops.relu(one(hidden)), training=training)
        return last(hidden)

    def block_factors(self, factors):
        if not self.trainable_variables:
            return {}
        # The kernel of the first map is the first variable.
        return {0: row_factors(factors, self.dims)}

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "depth": self.depth,
            "dropout": self.dropout,
        }
