"""What Keras offers for a finished model, where ours need a word more."""

import functools
import re
import warnings

import keras

LEGACY = (".h5", ".hdf5")


class KerasUses(keras.Model):
    """A Keras model that is built once, exported, quantized and saved.

    A subclass has `encoders`, a dict of layers, and `preprocessing`.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _once(cls.__dict__["build"])

    def save(self, filepath, *args, **kwargs):
        """Saves the model as a `.keras` file.

        Raises:
            ValueError: for Keras's legacy HDF5 format.
        """
        path = str(filepath)
        if path.endswith(LEGACY) and not path.endswith(".weights.h5"):
            stem = path.rsplit(".", 1)[0]
            raise ValueError(
                "The legacy HDF5 format cannot hold the state of a method. "
                f"Received: filepath={path!r}. Use save({stem + '.keras'!r}), "
                f"or save_weights({stem + '.weights.h5'!r})."
            )
        return super().save(filepath, *args, **kwargs)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        # Keras leaves random states out; without them training that goes on
        # after loading differs from training that was never interrupted.
        for i, state in enumerate(self._random_state_variables()):
            store[f"random_{i}"] = state

    def load_own_variables(self, store):
        keys = list(store.keys())
        random = [key for key in keys if key.startswith("random_")]
        own = {key: store[key] for key in keys if key not in random}
        try:
            super().load_own_variables(own)
        except ValueError:
            if not any(map(_is_altered, self.quantized_layers())):
                raise
            # The state remembers the variables that there were before.
            warnings.warn(
                f"{type(self).__name__} was quantized or given LoRA weights "
                "after it was built: what it remembers of single variables "
                "starts anew where training goes on. Predictions are as saved.",
                stacklevel=2,
            )
        for i, state in enumerate(self._random_state_variables()):
            if f"random_{i}" in random:
                state.assign(store[f"random_{i}"])

    def _random_state_variables(self):
        weights = {id(w) for w in self.weights}
        return [v for v in self.variables if id(v) not in weights]

    @functools.wraps(keras.Model.summary)
    def summary(self, *args, **kwargs):
        # Users name their encoders as they like; a reader looks for "audio".
        shown = {
            **self.encoders,
            **{f"{k}_preprocessing": v for k, v in self.preprocessing.items()},
        }
        names = {name: layer.name for name, layer in shown.items()}
        for name, layer in shown.items():
            layer.name = name
        try:
            return super().summary(*args, **kwargs)
        finally:
            for name, layer in shown.items():
                layer.name = names[name]

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        **kwargs,
    ):
        """Exports what `predict` does, as `keras.Model.export`.

        Inputs without a signature are those that the model was built with, in
        the type that their encoder declares, else float32.
        """
        if input_signature is None and self.built:
            input_signature = [self._input_signature()]
        return super().export(
            filepath,
            format=format,
            verbose=verbose,
            input_signature=input_signature,
            **kwargs,
        )

    def quantize(self, mode=None, config=None, filters=None, **kwargs):
        """Quantizes the encoders, as `keras.Model.quantize`.

        Fusion and heads stay as they are: they are small, and splits read
        their kernels piece by piece. Compile again before training goes on.
        """
        inside = {id(v) for e in self.quantized_layers() for v in e.variables}

        def chosen(layer):
            own = layer.variables
            return all(id(v) in inside for v in own) and _matches(
                layer, filters
            )

        return super().quantize(mode, config=config, filters=chosen, **kwargs)

    def quantized_layers(self):
        """The encoders, and what a method makes in their likeness."""
        return list(self.encoders.values())

    def _input_signature(self):
        config = self.get_build_config()
        shapes = config.get("input_shape")
        if shapes is None:
            (shapes,) = config["shapes_dict"].values()
        return {
            name: _specs(shape, self._input_dtypes(name))
            for name, shape in shapes.items()
        }

    def _input_dtypes(self, name):
        """What an encoder declares of its inputs: one dtype or several."""
        if name.endswith("_present"):
            return ["bool"]
        if name in self.preprocessing:
            return []
        inputs = getattr(self.encoders.get(name), "inputs", None) or []
        return [tensor.dtype for tensor in inputs]


def _once(build):
    """A `build` that leaves a model alone that is built already."""

    @functools.wraps(build)
    def build_once(self, *args, **kwargs):
        if not self.built:
            build(self, *args, **kwargs)

    return build_once


def _is_altered(layer):
    """Whether a layer, or one inside it, is quantized or has LoRA weights."""
    if getattr(layer, "lora_enabled", False) or layer.quantization_mode:
        return True
    return any(map(_is_altered, getattr(layer, "layers", ())))


def _specs(shape, dtypes):
    """Input specifications, in the structure of a modality's shapes."""
    dtypes = list(dtypes)

    def made(part):
        if isinstance(part, dict):
            return {key: made(inner) for key, inner in part.items()}
        if all(size is None or isinstance(size, int) for size in part):
            dtype = dtypes.pop(0) if dtypes else "float32"
            return keras.InputSpec(shape=(None, *part[1:]), dtype=dtype)
        return [made(inner) for inner in part]

    return made(shape)


def _matches(layer, filters):
    """Whether Keras would quantize a layer by these filters."""
    if filters is None:
        return True
    if callable(filters):
        return filters(layer)
    patterns = [filters] if isinstance(filters, str) else filters
    return any(re.search(pattern, layer.name) for pattern in patterns)
