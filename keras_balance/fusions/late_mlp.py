"""The sum of one small network per modality."""

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.fusions.fusion import Fusion


@keras.saving.register_keras_serializable("keras_balance")
class LateMLP(Fusion):
    """f = sum_m u^m, with u^m = MLP^m(z^m) and ReLU between linear maps.

    Each modality has a network of its own, as in IGM (Jiang et al., IJCAI
    2025), so that one can be trained while nothing that another one uses moves.

    Args:
        units: sequence of integers, the widths of the hidden layers.
        **kwargs: arguments of `Fusion`.
    """

    splits = True
    separate = True

    def __init__(self, units=(256, 64), **kwargs):
        super().__init__(**kwargs)
        for width in units:
            check_count("units", width)
        self.units = tuple(units)

    def build(self, shapes):
        self.maps = [
            self._network(f"map_{i}", shape) for i, shape in enumerate(shapes)
        ]

    def _network(self, name, shape):
        layers = [self.dense(units) for units in self.units]
        for layer in layers:
            layer.activation = keras.activations.relu
        layers.append(self.dense(self.num_classes))
        network = keras.Sequential(layers, name=name)
        network.build((None, shape[-1]))
        return network

    def call(self, features):
        return sum(self._logits(features))

    def split(self, features):
        return [ops.cast(u, "float32") for u in self._logits(features)]

    def own_logits(self, modality, features):
        return ops.cast(self.maps[modality](features), "float32")

    def own_layers(self):
        return self.maps

    def _logits(self, features):
        return [one(z) for one, z in zip(self.maps, features, strict=True)]

    def get_config(self):
        return {**super().get_config(), "units": self.units}
