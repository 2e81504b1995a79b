"""Symmetric gated fusion: each modality is gated by the others."""

import keras
from keras import ops

from keras_balance.fusions.concat import LinearHead


@keras.saving.register_keras_serializable("keras_balance")
class SymmetricGated(LinearHead):
    """h^m = o^m * sigmoid(o^other) with o^m = z^m W^m + c^m.

    f = [h^1; ...; h^M] W + b. The form of MMCosine (Xu et al., ICASSP 2023),
    whose scaled cosines need a concatenation. With more than two modalities,
    our extension, the gates of all the others are multiplied.

    There is no split into unimodal logits: every part depends on all features.

    Args:
        units: integer, the width of the projections, or None for that of the
            last modality's features.
        **kwargs: arguments of `Fusion`.
    """

    min_modalities = 2

    def __init__(self, units=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, shapes):
        units = self.units or shapes[-1][-1]
        self.projections = [
            self.dense(units, name=f"projection_{i}")
            for i in range(len(shapes))
        ]
        for projection, shape in zip(self.projections, shapes, strict=True):
            projection.build(shape)
        self.build_head([units] * len(shapes))

    def parts(self, features):
        projected = [
            projection(z)
            for projection, z in zip(self.projections, features, strict=True)
        ]
        gates = [ops.sigmoid(o) for o in projected]
        parts = []
        for i, part in enumerate(projected):
            for j, gate in enumerate(gates):
                part = part if i == j else part * gate
            parts.append(part)
        return parts

    def own_layers(self):
        return self.projections

    def get_config(self):
        return {**super().get_config(), "units": self.units}
