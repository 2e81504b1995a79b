"""Steps of one modality, in which the others are neither run nor moved."""

from keras import ops

from keras_balance.engine import replicas
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.multimodal import Outputs
from keras_balance.models.multimodal import row_marks


class OneAtATime(BalancedModel):
    """The base of methods that train one encoder with a head of its own.

    The head is the model's dedicated one, or the map that a fusion with
    `separate` has for the modality.
    """

    def train_one(self, name, batch):
        """One step of one modality on its own loss; returns the logs."""
        layers = (self.encoders[name], self.own_head(name))
        variables = [v for one in layers for v in one.trainable_variables]

        def loss_fn():
            outputs = self.forward_one(name, batch.x)
            loss = self.unimodal_loss(name, outputs, batch)
            own = [value for one in layers for value in one.losses]
            return loss + sum(own) / replicas(), outputs

        (loss,), outputs, (gradients,) = self.gradients(loss_fn, variables)
        self.track_gradient_norms(gradients, variables)
        self.scores(outputs, batch)
        self.apply_gradients(gradients, variables)
        return self.step_logs(loss, outputs, batch)

    def forward_one(self, name, inputs):
        """`Outputs` of one modality in training; the logits are its own."""
        features = self.encode(name, inputs, training=True)
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
