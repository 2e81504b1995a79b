"""MMTM: squeeze and excitation between modalities.

Joze, Shaban, Iuzzolino, Koishida, "MMTM: Multimodal Transfer Module for CNN
Fusion", CVPR 2020, arXiv 1911.08670; as the code of Wu et al., ICML 2022, has
it, without the factor 2 on the gates.
"""

import keras
from keras import ops

from keras_balance.data_format import check_data_format


@keras.saving.register_keras_serializable("keras_balance")
class MMTM(keras.layers.Layer):
    """Gates for the channels of each modality, from those of all.

    e = relu([GAP(X^1); ...; GAP(X^M)] W_s + b_s), and for each modality
    sigmoid(e W^m + b^m). W_s has 2 / ratio times as many columns as rows.

    Args:
        ratio: integer of at least 1.
        data_format: of maps of rank 3 and more, "channels_last",
            "channels_first", or None for `keras.config.image_data_format()`.
            Features `(batch, dim)` are their own average.
        **kwargs: arguments of `keras.layers.Layer`.

    Input: list of M tensors. Output: list of M gates `(batch, channels)`,
    which `scaled` applies.
    """

    def __init__(self, ratio=4, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.ratio = ratio
        self.data_format = check_data_format(data_format)

    def build(self, shapes):
        self.channels = [shape[self._axis(len(shape))] for shape in shapes]
        total = sum(self.channels)
        hidden = max(1, int(2 * total / self.ratio))
        self.squeeze = keras.layers.Dense(
            hidden, activation="relu", dtype=self.dtype_policy, name="squeeze"
        )
        self.squeeze.build((None, total))
        self.excite = [
            keras.layers.Dense(
                width,
                activation="sigmoid",
                dtype=self.dtype_policy,
                name=f"excite_{m}",
            )
            for m, width in enumerate(self.channels)
        ]
        for layer in self.excite:
            layer.build((None, hidden))

    def call(self, maps):
        squeezed = [self._averaged(x) for x in maps]
        joined = self.squeeze(ops.concatenate(squeezed, axis=-1))
        return [layer(joined) for layer in self.excite]

    def scaled(self, x, gate):
        """The map of a modality, multiplied by its gate."""
        shape = [1] * len(x.shape)
        shape[0] = -1
        shape[self._axis(len(x.shape))] = gate.shape[-1]
        return x * ops.cast(ops.reshape(gate, shape), x.dtype)

    def own_variables(self, modality):
        """Variables that make one modality's gate, the shared ones too."""
        return [
            *self.squeeze.trainable_variables,
            *self.excite[modality].trainable_variables,
        ]

    def compute_output_shape(self, shapes):
        return [(shape[0], shape[self._axis(len(shape))]) for shape in shapes]

    def _axis(self, rank):
        return 1 if rank == 2 or self.data_format == "channels_first" else -1

    def _averaged(self, x):
        rank = len(x.shape)
        if rank == 2:
            return x
        channels = self._axis(rank) % rank
        return ops.mean(x, axis=[i for i in range(1, rank) if i != channels])

    def get_config(self):
        return {
            **super().get_config(),
            "ratio": self.ratio,
            "data_format": self.data_format,
        }
