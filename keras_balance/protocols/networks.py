"""Front ends, an encoder for each modality and a fusion, from scratch."""

import dataclasses
import functools

from keras_balance import fusions
from keras_balance.protocols.config import RunConfig
from keras_balance.protocols.config import setting


@dataclasses.dataclass(frozen=True)
class Fused(RunConfig):
    """Adds the fusion."""

    fusion: str = setting(
        "concat", "fusion", source="ours", choices=tuple(fusions.names())
    )
    heads: bool = setting(
        False, "unimodal heads, for film and gated", source="ours"
    )


@dataclasses.dataclass(frozen=True)
class ImageEncoder(Fused):
    """Adds one kind of encoder, of pictures and spectrograms."""

    encoder: str = setting(
        "resnet18",
        "of every modality",
        source="ours",
        choices=("resnet18", "convolutional"),
    )


def image_encoder(config):
    """What makes an encoder of a shape, for `network`.

    Args:
        config: an `ImageEncoder`. `"convolutional"` is small, of four blocks:
            for demonstrations.
    """
    from keras_balance import encoders

    if config.encoder == "convolutional":
        return functools.partial(
            encoders.convolutional, filters=(16, 32, 64, 64)
        )
    return encoders.get(config.encoder)


def network(config, stored, front_ends, encoder):
    """The arguments of a model: encoders behind front ends, and a fusion.

    Args:
        config: a `Fused`.
        stored: dict from modality to the shape of a stored sample, without
            the batch.
        front_ends: dict from modality to the Keras layer that prepares it.
        encoder: callable `(input shape) -> encoder`, one for each modality.
            Channels come first where the backend likes it.

    Returns:
        dict of `encoders`, `preprocessing`, `fusion` and `heads`. The fusion
        starts from Xavier's normal distribution.
    """
    import keras

    return {
        "encoders": {
            name: encoder(_output_shape(layer, stored[name]))
            for name, layer in front_ends.items()
        },
        "preprocessing": front_ends,
        "fusion": fusions.get(
            config.fusion,
            kernel_initializer=keras.initializers.GlorotNormal(),
        ),
        "heads": config.heads,
    }


def _output_shape(layer, stored):
    """The shape of a sample that a front end has prepared."""
    import keras

    batch = keras.KerasTensor((None, *stored))
    return tuple(layer.compute_output_spec(batch).shape[1:])
