"""Grey images."""

import keras
from keras import ops

from keras_balance.data_format import check_data_format


@keras.saving.register_keras_serializable(package="keras_balance")
class ImageScale(keras.layers.Layer):
    """Scale grey images to [0, 1] and give them a channel axis.

    Args:
        data_format: "channels_last", "channels_first", or None for
            `keras.config.image_data_format()`.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape: (batch, height, width), uint8 0..255 (or floats in 0..255).
    Output shape: (batch, height, width, 1) or (batch, 1, height, width),
        float32.
    """

    def __init__(self, data_format=None, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.data_format = check_data_format(data_format)

    def call(self, x):
        axis = -1 if self.data_format == "channels_last" else 1
        return ops.expand_dims(ops.cast(x, "float32") / 255.0, axis)

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}
