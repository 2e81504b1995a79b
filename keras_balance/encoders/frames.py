"""An image encoder over the frames of a clip."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_balance")
class OverFrames(keras.layers.Layer):
    """Encode every frame of a clip alike, and average over time.

    The frames are folded into the batch: `encoder` runs once, and its batch
    normalisation sees all frames of all clips.

    Args:
        encoder: `keras.layers.Layer`, images (n, ...) -> features (n, d).
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape: (batch, frames, ...), `frames` known.
    Output shape: (batch, d).
    """

    def __init__(self, encoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder

    def build(self, input_shape):
        if not self.encoder.built:
            self.encoder.build((None, *input_shape[2:]))

    def call(self, x, training=None):
        frames = x.shape[1]
        images = ops.reshape(x, (-1, *x.shape[2:]))
        features = self.encoder(images, training=training)
        dim = features.shape[-1]
        return ops.mean(ops.reshape(features, (-1, frames, dim)), axis=1)

    def compute_output_shape(self, input_shape):
        images = (None, *input_shape[2:])
        dim = self.encoder.compute_output_shape(images)[-1]
        return (input_shape[0], dim)

    def get_config(self):
        encoder = keras.saving.serialize_keras_object(self.encoder)
        return {**super().get_config(), "encoder": encoder}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        encoder = keras.saving.deserialize_keras_object(config.pop("encoder"))
        return cls(encoder, **config)


def split_shape(input_shape):
    """Split an input shape into (number of frames or None, image shape).

    Args:
        input_shape: three or four positive ints, without the batch.

    Raises:
        ValueError: it is anything else.
    """
    shape = tuple(input_shape)
    known = all(isinstance(n, int) and n > 0 for n in shape)
    if len(shape) not in (3, 4) or not known:
        raise ValueError(
            "expected input_shape to be (height, width, channels), or with "
            "channels first (channels, height, width), with the number of "
            "frames in front for clips; all known, without the batch. "
            f"Received: input_shape={input_shape!r}"
        )
    return (None, shape) if len(shape) == 3 else (shape[0], shape[1:])


def over_frames(encoder, frames, name):
    """Return `encoder` as a model of clips, or itself if `frames` is None."""
    if frames is None:
        return encoder
    inputs = keras.Input((frames, *encoder.input_shape[1:]))
    outputs = OverFrames(encoder, name="over_frames")(inputs)
    return keras.Model(inputs, outputs, name=name)
