"""An encoder in stages, between which methods may act."""

import keras


@keras.saving.register_keras_serializable(package="keras_balance")
class Staged(keras.layers.Layer):
    """Runs layers one after another; what an encoder in parts is.

    `Greedy` joins the modalities after each stage. By itself it is the
    composition of its stages.

    Args:
        stages: list of Keras layers or models, the first takes the input and
            the last returns features (batch, dim).
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: `stages` is empty or holds something else.
    """

    def __init__(self, stages, **kwargs):
        super().__init__(**kwargs)
        if (
            not isinstance(stages, (list, tuple))
            or not stages
            or not all(isinstance(one, keras.layers.Layer) for one in stages)
        ):
            raise ValueError(
                "expected stages to be a list of at least one Keras layer. "
                f"Received: stages={stages}"
            )
        self.stages = list(stages)

    def build(self, input_shape):
        # Called, not asked for shapes: a layer may have no such method.
        x = keras.KerasTensor(input_shape)
        self.stage_shapes = []
        for stage in self.stages:
            x = stage(x)
            self.stage_shapes.append(tuple(x.shape))

    def call(self, x, training=None):
        for stage in self.stages:
            x = stage(x, training=training)
        return x

    def compute_output_shape(self, input_shape):
        if not self.built:
            self.build(input_shape)
        return (input_shape[0], *self.stage_shapes[-1][1:])

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "stages": [serialize(stage) for stage in self.stages],
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        deserialize = keras.saving.deserialize_keras_object
        stages = [deserialize(stage) for stage in config.pop("stages")]
        return cls(stages, **config)


def check_images(name, frames):
    """Raises ValueError where an encoder in stages would be given clips."""
    if frames is not None:
        raise ValueError(
            f"{name} has stages for images alone. Received: stages=True with "
            f"clips of {frames} frames"
        )
