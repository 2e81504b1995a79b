"""The base of every fusion."""

import keras


class Fusion(keras.layers.Layer):
    """Maps the features of M modalities to class logits.

    Features come as a list in the model's order of modalities, each
    `(batch, dim)`; dims may differ where the mathematics allow.

    A subclass implements `build(shapes)` and `call(features)`, with an
    argument `training` where that makes a difference, and where its logits are
    an exact sum of unimodal ones sets `splits = True` and implements
    `split(features)`.

    Args:
        num_classes: integer, or None to take the model's.
        kernel_initializer: initializer of every kernel; biases start at zero.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    splits = False
    # Whether no two modalities share a parameter; `own_logits` then works.
    separate = False
    min_modalities = 1

    def __init__(
        self, num_classes=None, kernel_initializer="glorot_uniform", **kwargs
    ):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def split(self, features):
        """Unimodal logits that sum to the fused ones.

        Args:
            features: list of M tensors `(batch, dim)`.

        Returns:
            List of M float32 tensors `(batch, num_classes)`.
        """
        raise ValueError(
            f"The fusion '{type(self).__name__}' has no exact split into "
            "unimodal logits. Pass heads=True to the model for dedicated "
            "unimodal heads, or use fusion='concat' or 'sum'."
        )

    def own_logits(self, modality, features):
        """One modality's logits, where the fusion is `separate`.

        Args:
            modality: integer, the modality's place in the model's order.
            features: tensor `(batch, dim)`.

        Returns:
            float32 `(batch, num_classes)`.
        """
        raise NotImplementedError

    def own_layers(self):
        """Layers that serve one modality alone: one per modality, or none."""
        return []

    def own_variables(self, modality):
        """Variables that only the modality of this index uses.

        Args:
            modality: integer, the modality's place in the model's order.
        """
        layers = self.own_layers()
        return layers[modality].trainable_variables if layers else []

    def block_factors(self, factors):
        """Factors of the weights that belong to one modality alone.

        Args:
            factors: list of M scalars, one per modality.

        Returns:
            Dict from the index of a variable in `trainable_variables` to a
            factor that broadcasts against it. Weights that serve several
            modalities, and the biases of the logits, are left out.
        """
        own = {
            id(v): k
            for layer, k in zip(self.own_layers(), factors, strict=False)
            for v in layer.trainable_variables
        }
        return {
            i: own[id(v)]
            for i, v in enumerate(self.trainable_variables)
            if id(v) in own
        }

    def compute_output_shape(self, shapes):
        return (shapes[0][0], self.num_classes)

    def dense(self, units, name=None, use_bias=True):
        """A linear map with this fusion's initializer and precision."""
        return keras.layers.Dense(
            units,
            use_bias=use_bias,
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name=name,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }
