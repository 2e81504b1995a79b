"""Gated fusion: one modality decides how much of another passes."""

import keras
from keras import ops

from keras_balance.fusions.projected import Projected


@keras.saving.register_keras_serializable("keras_balance")
class Gated(Projected):
    """o^m = z^m W^m + b^m, f = (sigmoid(o^1) * o^2) W + b.

    The one-sided form of the OGM-GE code. With more than two modalities, our
    extension, the gates of all but the last one are multiplied.

    There is no split into unimodal logits. The projections W^m belong to their
    modality, the output map W to all.

    Args:
        units: integer, the width of the projections, or None for that of the
            last modality's features.
        **kwargs: arguments of `Fusion`.
    """

    min_modalities = 2

    def build(self, shapes):
        units = self.build_projections(shapes, shapes[-1][-1])
        self.head = self.dense(self.num_classes, name="head")
        self.head.build((None, units))

    def call(self, features):
        *gates, hidden = self.project(features)
        for gate in gates:
            hidden = ops.sigmoid(gate) * hidden
        return self.head(hidden)
