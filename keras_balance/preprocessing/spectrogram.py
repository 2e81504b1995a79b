"""Log-magnitude spectrogram of a waveform."""

import keras
from keras import ops

from keras_balance.data_format import check_data_format


@keras.saving.register_keras_serializable(package="keras_balance")
class LogSpectrogram(keras.layers.Layer):
    """log(|STFT| + offset), centred frames under a periodic Hann window.

    With the defaults, 3 s at 22,050 Hz (66,150 samples) give 257 x 188: the
    front end of the OGM-GE code for CREMA-D, librosa before 0.9, which
    padded by reflection. librosa 0.9 and later pads with zeros:
    `pad_mode="constant"`.

    Args:
        n_fft: int, even; length of window and transform, in samples.
        hop: int, distance of frames, in samples.
        offset: float > 0, added to the magnitude.
        pad_mode: "reflect" or "constant" (zeros); n_fft // 2 samples are
            added at both ends.
        data_format: "channels_last", "channels_first", or None for
            `keras.config.image_data_format()`.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape: (batch, samples), float.
    Output shape: (batch, n_fft // 2 + 1, 1 + samples // hop, 1) or, channels
        first, (batch, 1, n_fft // 2 + 1, 1 + samples // hop); float32.

    Raises:
        ValueError: an argument is not one of these, or the waveform is too
            short to be reflected.
    """

    def __init__(
        self,
        n_fft=512,
        hop=353,
        offset=1e-7,
        pad_mode="reflect",
        data_format=None,
        **kwargs,
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if pad_mode not in ("reflect", "constant"):
            raise ValueError(
                'expected pad_mode to be "reflect" or "constant". '
                f"Received: pad_mode={pad_mode!r}"
            )
        if n_fft < 2 or n_fft % 2 or hop < 1 or not offset > 0:
            raise ValueError(
                "expected an even n_fft >= 2, hop >= 1 and offset > 0. "
                f"Received: n_fft={n_fft}, hop={hop}, offset={offset}"
            )
        self.n_fft = n_fft
        self.hop = hop
        self.offset = offset
        self.pad_mode = pad_mode
        self.data_format = check_data_format(data_format)

    def call(self, x):
        half = self.n_fft // 2
        if self.pad_mode == "reflect" and x.shape[-1] <= half:
            raise ValueError(
                f"expected more than {half} samples, to reflect n_fft // 2 of "
                f"them. Received: a waveform of shape {tuple(x.shape)}"
            )
        padded = ops.pad(
            ops.cast(x, "float32"), [[0, 0], [half, half]], mode=self.pad_mode
        )
        real, imaginary = ops.stft(
            padded, self.n_fft, self.hop, self.n_fft, "hann", center=False
        )
        magnitude = ops.sqrt(ops.square(real) + ops.square(imaginary))
        # Keras has time before frequency, image encoders height first.
        picture = ops.transpose(ops.log(magnitude + self.offset), (0, 2, 1))
        axis = -1 if self.data_format == "channels_last" else 1
        return ops.expand_dims(picture, axis)

    def get_config(self):
        return {
            **super().get_config(),
            "n_fft": self.n_fft,
            "hop": self.hop,
            "offset": self.offset,
            "pad_mode": self.pad_mode,
            "data_format": self.data_format,
        }
