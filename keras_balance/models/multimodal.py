"""Encoders, a fusion and optional unimodal heads, as one Keras model."""

import inspect
from typing import Any
from typing import NamedTuple

import keras
from keras import ops

from keras_balance import fusions
from keras_balance.models import absent
from keras_balance.models import structures
from keras_balance.models.checks import check_encoders
from keras_balance.models.checks import check_features
from keras_balance.models.checks import check_inputs
from keras_balance.models.checks import check_num_classes
from keras_balance.models.keras_uses import KerasUses
from keras_balance.models.serialization import deserialized
from keras_balance.models.serialization import serialized


class Outputs(NamedTuple):
    """What one forward pass yields.

    Attributes:
        features: dict by modality, `(batch, dim)`, zero in absent rows.
        unimodal: dict by modality, float32 logits `(batch, classes)` from the
            dedicated head or from the fusion's exact split; empty where the
            model has neither.
        logits: float32 fused logits `(batch, classes)`.
        present: dict by modality, float32 `(batch,)` of 0 and 1, for the
            modalities whose presence the input marks.
        added: what layers added to the loss in this pass, a scalar, where a
            method runs them again before the loss is formed.
    """

    features: Any
    unimodal: Any
    logits: Any
    present: Any
    added: Any = 0.0


@keras.saving.register_keras_serializable("keras_balance")
class MultimodalModel(KerasUses):
    """A classifier over several modalities.

    Inputs are a dict by modality name, and labels are class indices or
    one-hot rows. Where a modality can be missing, the boolean input
    `<name>_present`, `(batch,)`, marks the rows that have it: in the others
    its encoder is given another row's input and its features are zero
    (`keras_balance.models.absent`).

    Args:
        encoders: dict from a modality's name to a Keras layer or model that
            maps its input to features `(batch, dim)`. The order of the dict
            is the order of the modalities.
        num_classes: integer.
        fusion: a name (`keras_balance.fusions.names()`) or a `Fusion` layer.
        heads: boolean, whether each modality gets a dedicated linear head.
            A method whose loss does not use it trains it beside, without a
            gradient for the encoder. Without heads, unimodal logits come from
            the fusion's split where it has one.
        preprocessing: dict from a modality's name to a Keras layer that is
            applied to its input first, in float32 under any dtype policy.
        **kwargs: arguments of `keras.Model`.

    Raises:
        ValueError: where an argument is none of the above.
    """

    # Whether a modality's features depend on the inputs of the others too.
    joins_encoders = False

    def __init__(
        self,
        encoders,
        num_classes,
        fusion="concat",
        heads=False,
        preprocessing=None,
        **kwargs,
    ):
        check_encoders(encoders)
        check_num_classes(num_classes)
        preprocessing = dict(preprocessing or {})
        unknown = sorted(set(preprocessing) - set(encoders))
        if unknown:
            raise ValueError(
                "preprocessing must name modalities of encoders "
                f"{list(encoders)}. Received: preprocessing for {unknown}"
            )
        # Inputs keep their type: preprocessing runs in float32.
        super().__init__(autocast=False, **kwargs)
        self.modalities = tuple(encoders)
        self.num_classes = int(num_classes)
        self.encoders = dict(encoders)
        for layer in preprocessing.values():
            _in_float32(layer)
        self.preprocessing = preprocessing
        self.fusion = self._make_fusion(fusion)
        parameters = inspect.signature(self.fusion.call).parameters
        self._fusion_trains = "training" in parameters
        # Modalities whose encoders run with training=False in training too.
        self.resting = ()
        self.heads = {}
        if heads:
            self.heads = {
                name: keras.layers.Dense(
                    num_classes, dtype="float32", name=f"{name}_head"
                )
                for name in self.modalities
            }

    @property
    def has_unimodal_logits(self):
        """Whether a forward pass yields logits of each modality."""
        return bool(self.heads) or self.fusion.splits

    def build(self, input_shape):
        check_inputs(input_shape, self.modalities)
        shapes = []
        for name in self.modalities:
            shape = self.encoder_shape(name, input_shape[name])
            # Called, not asked for shapes: a layer may have neither `build`
            # nor `compute_output_shape`.
            features = self.encoders[name](structures.symbolic(shape))
            check_features(name, features)
            shapes.append((None, features.shape[-1]))
        self.feature_dims = [dim for _, dim in shapes]
        if not self.fusion.built:
            self.fusion.build(shapes)
        for head, shape in zip(self.heads.values(), shapes, strict=False):
            if not head.built:
                head.build(shape)

    def encoder_shape(self, name, shape):
        """The shape of what an encoder is given, after preprocessing.

        Args:
            name: the modality.
            shape: of its input, with the batch, or a structure of shapes.
        """
        shape = keras.tree.map_shape_structure(tuple, shape)
        if name not in self.preprocessing:
            return shape
        layer = self.preprocessing[name]
        if not layer.built:
            layer.build(shape)
        given = layer.compute_output_spec(structures.symbolic(shape))
        return keras.tree.map_structure(lambda t: tuple(t.shape), given)

    def call(self, inputs, training=False):
        return self.forward_pass(inputs, training=training).logits

    def forward_pass(self, inputs, training=False):
        """Features, unimodal logits and fused logits of a batch.

        Args:
            inputs: dict by modality name of tensors, or of structures of
                tensors where an encoder has several inputs.
            training: boolean.

        Returns:
            `Outputs`.
        """
        check_inputs(inputs, self.modalities)
        features = {
            name: self.encode(
                name, inputs, training=training and name not in self.resting
            )
            for name in self.modalities
        }
        return self.combine(features, inputs, training=training)

    def combine(self, features, inputs, training=False):
        """What follows the encoders: fused and unimodal logits.

        Args:
            features: dict by modality, `(batch, dim)`.
            inputs: dict of tensors by modality name, for the presence marks.
            training: boolean.

        Returns:
            `Outputs`.
        """
        ordered = [features[name] for name in self.modalities]
        options = {"training": training} if self._fusion_trains else {}
        logits = self.fusion(ordered, **options)
        return Outputs(
            features,
            self.unimodal_logits(features),
            ops.cast(logits, "float32"),
            self.presence(inputs),
        )

    def unimodal_logits(self, features):
        """Logits of each modality, or an empty dict where there are none."""
        if self.heads:
            return {
                name: self.heads[name](ops.cast(features[name], "float32"))
                for name in self.modalities
            }
        if not self.fusion.splits:
            return {}
        split = self.fusion.split([features[m] for m in self.modalities])
        return dict(zip(self.modalities, split, strict=True))

    def presence(self, inputs):
        """Dict by modality of row marks, for those that the input marks."""
        return {
            name: absent.row_marks(inputs[f"{name}_present"])
            for name in self.modalities
            if f"{name}_present" in inputs
        }

    def encode(self, name, inputs, training=False):
        """Features of one modality, `(batch, dim)`."""
        x = self.preprocess(name, inputs, training=training)
        return self.encode_given(name, x, inputs, training=training)

    def encode_given(self, name, x, inputs, training=False, encoder=None):
        """Features of what an encoder is given, after preprocessing.

        Args:
            name: the modality.
            x: what its encoder is given.
            inputs: dict of tensors by modality name, for the presence marks.
            training: boolean.
            encoder: another layer in the place of the modality's encoder.
        """
        encoder = self.encoders[name] if encoder is None else encoder
        present = inputs.get(f"{name}_present")
        if present is None:
            return encoder(x, training=training)
        features = absent.run(encoder, x, present, training)
        return absent.zero(features, present)

    def features_given(self, given, inputs, training=False):
        """Features of what encoders are given, after preprocessing.

        Args:
            given: dict by modality; where `joins_encoders`, of all of them.
            inputs: dict of tensors by modality name, for the presence marks.
            training: boolean.

        Returns:
            Dict by modality of `given`, `(batch, dim)`.
        """
        return {
            name: self.encode_given(name, x, inputs, training=training)
            for name, x in given.items()
        }

    def preprocess(self, name, inputs, training=False):
        """What the encoder of a modality is given.

        Args:
            name: the modality.
            inputs: dict of tensors by modality name, with presence marks.
            training: boolean.
        """
        x = inputs[name]
        if f"{name}_present" in inputs:
            x = absent.fill(x, inputs[f"{name}_present"])
        if name not in self.preprocessing:
            return x
        return self.preprocessing[name](x, training=training)

    def variable_groups(self):
        """Which trainable variables belong to which modality.

        Returns:
            List of M + 1 lists of indices into `trainable_variables`: for each
            modality its encoder, its head and what the fusion uses for it
            alone, and last all the rest.
        """
        index = {id(v): i for i, v in enumerate(self.trainable_variables)}
        groups = []
        for i, name in enumerate(self.modalities):
            own = [*self.encoders[name].trainable_variables]
            own += self.fusion.own_variables(i)
            if name in self.heads:
                own += self.heads[name].trainable_variables
            groups.append(sorted(index[id(v)] for v in own))
        taken = {i for group in groups for i in group}
        groups.append([i for i in index.values() if i not in taken])
        return groups

    def _make_fusion(self, fusion):
        fusion = fusions.get(fusion)
        if fusion.num_classes is None:
            fusion.num_classes = self.num_classes
        if fusion.num_classes != self.num_classes:
            raise ValueError(
                f"The fusion must have the model's {self.num_classes} "
                f"classes. Received: fusion.num_classes={fusion.num_classes}"
            )
        if len(self.modalities) < fusion.min_modalities:
            raise ValueError(
                f"The fusion '{type(fusion).__name__}' needs at least "
                f"{fusion.min_modalities} modalities. Received: "
                f"{list(self.modalities)}"
            )
        return fusion

    def get_config(self):
        return {
            **super().get_config(),
            "encoders": serialized(self.encoders),
            "num_classes": self.num_classes,
            "fusion": keras.saving.serialize_keras_object(self.fusion),
            "heads": bool(self.heads),
            "preprocessing": serialized(self.preprocessing),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for name in ("encoders", "preprocessing"):
            config[name] = deserialized(config[name], custom_objects)
        config["fusion"] = keras.saving.deserialize_keras_object(
            config["fusion"], custom_objects=custom_objects
        )
        return cls(**config)


def _in_float32(layer):
    """Sets the policy of a layer and of the layers it is made of."""
    layer.dtype_policy = "float32"
    for inner in getattr(layer, "layers", ()):
        _in_float32(inner)
