"""The mean of one map that all modalities share."""

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.fusions.fusion import Fusion


@keras.saving.register_keras_serializable("keras_balance")
class Shared(Fusion):
    """f = (1 / M) sum_m u^m, with u^m = z^m W + b.

    One map for all modalities, whose features have one width. As in MLA, which
    weighs the u^m otherwise. The split into unimodal logits that sum to f is
    u^m / M; `own_logits` are the u^m. With `units` the map is a network,
    linear maps with ReLU between them, as in ReconBoost's code.

    Args:
        units: sequence of integers, the widths of hidden layers, if any.
        **kwargs: arguments of `Fusion`.
    """

    splits = True

    def __init__(self, units=(), **kwargs):
        super().__init__(**kwargs)
        for width in units:
            check_count("units", width)
        self.units = tuple(units)

    def build(self, shapes):
        widths = [shape[-1] for shape in shapes]
        if len(set(widths)) > 1:
            raise ValueError(
                "fusion='shared' is one linear map for all modalities, whose "
                "features must have one width. Received: widths "
                f"{widths}. End the encoders with Dense layers of as many "
                "units."
            )
        self.head = self.dense(self.num_classes, name="head")
        if self.units:
            layers = [self.dense(units) for units in self.units]
            for layer in layers:
                layer.activation = keras.activations.relu
            self.head = keras.Sequential([*layers, self.head], name="head")
        self.head.build((None, widths[0]))

    def call(self, features):
        return sum(self.head(z) for z in features) / len(features)

    def split(self, features):
        return [
            self.own_logits(i, z) / len(features)
            for i, z in enumerate(features)
        ]

    def own_logits(self, modality, features):
        return ops.cast(self.head(features), "float32")

    def get_config(self):
        return {**super().get_config(), "units": self.units}
