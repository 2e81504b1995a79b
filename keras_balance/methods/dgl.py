"""DGL: disentangled gradients for the encoders and the fusion.

Wei, Luo, Luo, "Boosting Multimodal Learning via Disentangled Gradient
Learning", ICCV 2025, arXiv 2507.10213.

    f   = F(h^1, ..., h^M)
    z_m = F(0, ..., h^m, ..., 0)
    encoders:  d/dtheta_m  alpha sum_m CE(z_m, y)
    fusion:    d/dF        CE(f, y)

h^m `(batch, dim)` are the features of modality m, f and z_m `(batch, classes)`
logits. In joint training the fusion weakens the gradient that each encoder
gets, as the other modality already explains the label. Here no encoder sees
the fused loss, which is taken on detached features, and the fusion does not
see the unimodal losses: the gradient that they leave in it is dropped.
Regularizers act on the layers that they belong to, as ever. In a fusion that
multiplies modalities, such as "gated", the zeros of one may leave another one
with little gradient, or none.

Values: alpha 4 to 5; SGD with rate 1e-3 or 2e-3 for 100 epochs, a tenth of it
after 70, gradients clipped to norm 40.
"""

import keras
from keras import ops

from keras_balance.arguments import check_number
from keras_balance.engine import replicas
from keras_balance.models import batch as batches
from keras_balance.models.balanced import BalancedModel


def others_zero(features, kept):
    """The features with all but one modality's zero.

    Args:
        features: list of M tensors `(batch, dim)`.
        kept: integer, the modality that stays.
    """
    return [
        z if i == kept else ops.zeros_like(z) for i, z in enumerate(features)
    ]


@keras.saving.register_keras_serializable("keras_balance")
class DGL(BalancedModel):
    """Trains encoders by unimodal losses, and the fusion by the fused one.

    One forward and one backward pass of the encoders a step, and M + 1 of the
    fusion; any fusion will do. The unimodal logits of the model are z_m, which
    `<modality>_accuracy`, `<modality>_loss` and `<modality>_score`, the mean
    probability of the true class, are of. The loss in training is CE(f, y) +
    alpha sum_m CE(z_m, y), in validation CE(f, y).

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        alpha: float, what the encoders' losses are multiplied by.
        **kwargs: further arguments of `keras_balance.MultimodalModel`,
            without `heads`.

    Raises:
        ValueError: for values other than these.
    """

    tracked = ("loss",)
    has_unimodal_logits = True

    def __init__(self, encoders, num_classes, alpha=4.0, **kwargs):
        check_number("alpha", alpha)
        if kwargs.get("heads"):
            raise ValueError(
                "DGL takes each modality's logits from the fusion and has no "
                "use for heads. Received: heads=True"
            )
        super().__init__(encoders, num_classes, **kwargs)
        self.alpha = alpha

    def call(self, inputs, training=False):
        # Predictions need no unimodal logits.
        return super().forward_pass(inputs, training=training).logits

    def forward_pass(self, inputs, training=False):
        outputs = super().forward_pass(inputs, training=training)
        alone = self.alone(outputs.features, training)
        return outputs._replace(unimodal=alone)

    def combine(self, features, inputs, training=False):
        seen = features
        if training:
            seen = {name: ops.stop_gradient(z) for name, z in features.items()}
        outputs = super().combine(seen, inputs, training=training)
        return outputs._replace(features=features)

    def alone(self, features, training):
        """Dict by modality of float32 logits z_m `(batch, classes)`."""
        given = [features[name] for name in self.modalities]
        options = {"training": training} if self._fusion_trains else {}
        return {
            name: ops.cast(
                self.fusion(others_zero(given, i), **options), "float32"
            )
            for i, name in enumerate(self.modalities)
        }

    def balanced_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        variables = self.moving_variables()

        def loss_fn():
            fused, outputs = self.training_pass(batch)
            own = sum(
                self.unimodal_loss(name, outputs, batch)
                for name in self.modalities
            )
            own = self.alpha * own
            # The first loss has them too, but not for the encoders.
            regularizers = sum(self.losses) / replicas()
            return [fused, own + regularizers], (fused + own, outputs)

        _, (loss, outputs), (fused, own) = self.gradients(loss_fn, variables)
        owners = {
            id(v) for e in self.encoders.values() for v in e.trainable_variables
        }
        gradients = [
            u if id(v) in owners else g
            for v, g, u in zip(variables, fused, own, strict=True)
        ]
        self.track_gradient_norms(gradients, variables)
        self.update(self.modulate(gradients, outputs, batch), variables)
        return self.step_logs(loss, outputs, batch)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}
