"""Symmetric gated fusion: each modality is gated by the others."""

import keras
from keras import ops

from keras_balance.fusions.concat import LinearHead
from keras_balance.fusions.projected import Projected


@keras.saving.register_keras_serializable("keras_balance")
class SymmetricGated(Projected, LinearHead):
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

    def build(self, shapes):
        units = self.build_projections(shapes, shapes[-1][-1])
        self.build_head([units] * len(shapes))

    def parts(self, features):
        projected = self.project(features)
        gates = [ops.sigmoid(o) for o in projected]
        parts = []
        for i, part in enumerate(projected):
            for j, gate in enumerate(gates):
                part = part if i == j else part * gate
            parts.append(part)
        return parts
