"""Layers as configurations, and back."""

import keras


def serialized(layers):
    """A dict of layers, or None, as a configuration holds it."""
    if layers is None:
        return None
    serialize = keras.saving.serialize_keras_object
    return {name: serialize(layer) for name, layer in layers.items()}


def deserialized(config, custom_objects=None):
    """What `serialized` was given."""
    if config is None:
        return None
    deserialize = keras.saving.deserialize_keras_object
    return {
        name: deserialize(layer, custom_objects=custom_objects)
        for name, layer in config.items()
    }


def copied(layer):
    """A layer of the same configuration, with weights of its own."""
    # Layers inside Keras's own models need not be registered.
    own = type(layer).__module__.split(".")[0] == "keras"
    if own and isinstance(layer, keras.Model):
        return keras.models.clone_model(layer, recursive=True)
    return type(layer).from_config(layer.get_config())
