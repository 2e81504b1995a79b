"""What a model says of encoders and inputs that it cannot work with."""

import numbers

import keras


def check_encoders(encoders):
    """Raises ValueError where `encoders` is no dict of distinct layers."""
    if not isinstance(encoders, dict) or not encoders:
        raise ValueError(
            "encoders must be a dict from modality names to Keras layers, "
            "such as {'audio': audio_encoder, 'visual': visual_encoder}. "
            f"Received: encoders={encoders!r}"
        )
    for name, encoder in encoders.items():
        if not isinstance(name, str) or not isinstance(
            encoder, keras.layers.Layer
        ):
            raise ValueError(
                "encoders must be a dict from modality names to Keras "
                f"layers. Received: {name!r}: {encoder!r}"
            )
    if len({id(encoder) for encoder in encoders.values()}) < len(encoders):
        raise ValueError(
            "Each modality must have an encoder of its own. Received: the "
            f"same layer more than once in encoders={list(encoders)}. Make a "
            "second one with encoder.__class__.from_config("
            "encoder.get_config())."
        )

    for name in encoders:
        other = name.removesuffix("_present")
        if other != name and other in encoders:
            raise ValueError(
                f"x['{name}'] marks the rows that have the modality "
                f"'{other}', so no modality can have that name. Received: "
                f"encoders={list(encoders)}. Rename '{name}'."
            )


def check_num_classes(num_classes):
    """Raises ValueError where `num_classes` is no integer above 1."""
    whole = isinstance(num_classes, numbers.Integral)
    if not whole or isinstance(num_classes, bool) or num_classes < 2:
        raise ValueError(
            "num_classes must be an integer of at least 2. Received: "
            f"num_classes={num_classes!r}"
        )


def with_heads(arguments, method):
    """A model's arguments, for a method that cannot do without its heads.

    Args:
        arguments: dict of keyword arguments of `MultimodalModel`.
        method: the name that the message gives it.

    Raises:
        ValueError: they ask for none.
    """
    if arguments.get("heads") is False:
        raise ValueError(
            f"{method} trains a dedicated head for each modality: leave out "
            "`heads`. Received: heads=False"
        )
    return {**arguments, "heads": True}


def check_inputs(inputs, modalities):
    """Raises ValueError where a modality has no input."""
    keys = list(inputs) if isinstance(inputs, dict) else None
    if keys is None or any(name not in keys for name in modalities):
        received = type(inputs).__name__ if keys is None else sorted(keys)
        raise ValueError(
            f"Inputs must be a dict with the modalities {list(modalities)}, "
            f"the names of the encoders. Received: {received}"
        )


def check_features(name, features):
    """Raises ValueError where an encoder's output is not (batch, dim)."""
    shape = getattr(features, "shape", None)
    if shape is None:
        raise ValueError(
            "An encoder must return one tensor of features (batch, dim). "
            f"Received: encoders['{name}'] returns {features!r}"
        )
    if len(shape) != 2 or shape[-1] is None:
        raise ValueError(
            "An encoder must return features of shape (batch, dim), with dim "
            f"known. Received: encoders['{name}'] returns shape "
            f"{tuple(shape)}. End it with a pooling or Flatten layer."
        )
