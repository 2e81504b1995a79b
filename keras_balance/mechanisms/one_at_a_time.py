"""Steps of one modality, in which the others are neither run nor moved."""

import keras
from keras import ops

from keras_balance.engine import replicas
from keras_balance.mechanisms.modulated import innermost
from keras_balance.models.absent import row_marks
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.multimodal import Outputs
from keras_balance.optimizers.per_modality import PerModality


class OneAtATime(BalancedModel):
    """The base of methods that train one encoder with a head of its own.

    The head is the model's dedicated one, or the map that a fusion with
    `separate` has for the modality.
    """

    # Whether a step takes turns of all modalities, and a shared head has as
    # many updates in it.
    head_in_every_turn = False

    def compile(self, optimizer="rmsprop", *args, **kwargs):
        optimizer = keras.optimizers.get(optimizer)
        given = getattr(optimizer, "inner_optimizer", optimizer)
        super().compile(optimizer, *args, **kwargs)
        if not self.head_in_every_turn or isinstance(given, PerModality):
            return
        own = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        head = innermost(own.optimizers[-1])
        # Gradients are accumulated over batches, not over turns.
        if head.gradient_accumulation_steps:
            head.gradient_accumulation_steps *= len(self.modalities)

    def train_one(self, name, batch):
        """One step of one modality on its own loss; returns the logs."""
        loss, outputs = self.learn_one(name, batch)
        self.scores(outputs, batch)
        return self.step_logs(loss, outputs, batch)

    def learn_one(self, name, batch):
        """Moves one modality by its own loss; returns `(loss, outputs)`."""
        layers = (self.encoders[name], self.own_head(name))
        variables = [v for one in layers for v in one.trainable_variables]

        def loss_fn():
            loss, outputs = self.pass_one(name, batch)
            own = [value for one in layers for value in one.losses]
            return loss + sum(own) / replicas(), outputs

        (loss,), outputs, (gradients,) = self.gradients(loss_fn, variables)
        self.track_gradient_norms(gradients, variables)
        gradients = self.modulate_one(name, gradients, variables)
        self.apply_gradients(gradients, variables)
        return loss, outputs

    def pass_one(self, name, batch):
        """`(loss, outputs)` of one modality: its forward pass and its loss."""
        outputs = self.forward_one(name, batch.x)
        return self.unimodal_loss(name, outputs, batch), outputs

    def modulate_one(self, name, gradients, variables):
        """The gradients of one modality's step, as they are by default."""
        return gradients

    def forward_one(self, name, inputs):
        """`Outputs` of one modality in training; the logits are its own."""
        features = self.encode(name, inputs, training=True)
        return self.outputs_of_one(name, features, inputs)

    def outputs_of_one(self, name, features, inputs):
        """`Outputs` of one modality from its features."""
        head = self.own_head(name)
        if self.heads:
            features = ops.cast(features, "float32")
        logits = ops.cast(head(features), "float32")
        present = {}
        if f"{name}_present" in inputs:
            present[name] = row_marks(inputs[f"{name}_present"])
        return Outputs({name: features}, {name: logits}, logits, present)

    def own_head(self, name):
        """The layer that maps one modality's features to its logits."""
        if self.heads:
            return self.heads[name]
        return self.fusion.own_layers()[self.modalities.index(name)]
