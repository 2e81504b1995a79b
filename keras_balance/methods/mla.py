"""MLA: multimodal learning with alternating unimodal adaptation.

Zhang, Yoon, Bansal, Yao, "Multimodal Representation Learning by Alternating
Unimodal Adaptation", CVPR 2024, arXiv 2311.10707.

In every batch, for one modality m after the other, with u^m = h^m K + b:

    L_m     = CE(u^m, y)
    theta_m <- theta_m - eta dL_m / d theta_m
    K       <- K - eta P dL_m / dK
    hbar    = mean_i h^m_i,   k = P hbar
    P       <- P - k k' / (alpha + hbar' k),   P = I at the start

h^m `(batch, dim)` are the features of modality m, K `(dim, classes)` and b one
linear head that all modalities share, and P `(dim, dim)` a recursive
least-squares projection, kept over the whole training: the head does not move
along the mean features of the batches before, those of the other modality
first of all. A modality meets the head as the ones before it left it. P takes
up the batch's own features after they have been learned. The bias and the
optimizer's decay are not projected.

alpha = 0.1^(1 + i / n) in the i-th of an epoch's n batches, i from 0: from 0.1
down to 0.01, and back. Where the data do not tell n, it is that of the epoch
before, and alpha is 0.1 in the first epoch.

    prediction: f_i = sum_m w_im u^m_i,   w_i = softmax_m(-H(softmax(u^m_i)))

with the entropy H of each sample, over the modalities that it has.

The released code (`variant="code"`) does not project: it looks for a parameter
by a name that the head does not have. What remains is alternating training of
the encoders with a shared head. The projection that it would use is not
symmetric beyond the first update, as it divides by a matrix, and is given the
Frobenius norm 1, which makes the head's steps some 20 times smaller. Its
entropies are of the batch, one weight for all samples, so that a prediction
depends on what it is batched with: here they are of the sample in both
variants. In the step of one modality its other encoders move by momentum and
decay; here they stand still. With fixed weights, 0.55 for audio on CREMA-D and
0.35, 0.25 and 0.4 for audio, visual and text, it needs no entropies: `weights`.

Values: SGD 1e-3, momentum 0.9, decay 1e-4, a tenth of the rate after 70
epochs, batches of 64, 100 epochs (CREMA-D).
"""

import math

import keras
from keras import ops

from keras_balance.arguments import check_number
from keras_balance.arguments import check_shares
from keras_balance.arguments import check_variant
from keras_balance.fusions.shared import Shared
from keras_balance.mechanisms.averages import Averaging
from keras_balance.mechanisms.one_at_a_time import OneAtATime
from keras_balance.models import batch as batches
from keras_balance.models.fit_data import count_batches
from keras_balance.optimizers.projections import kept_share
from keras_balance.optimizers.projections import next_projection

LEAST_ALPHA = 1e-6


def forgetting(index, length):
    """alpha of the batch `index` of an epoch of `length`, 0 for unknown."""
    length = ops.cast(length, "float32")
    share = ops.cast(index, "float32") / ops.maximum(length, 1.0)
    # An epoch may turn out longer than the one before.
    share = ops.where(length > 0, ops.minimum(share, 1.0), 0.0)
    return ops.exp(math.log(0.1) * (1.0 + share))


def entropy_weights(logits, present=None):
    """w: softmax over the modalities of the negative entropies.

    Args:
        logits: float32 `(M, batch, classes)`, u^m.
        present: None, or float32 `(M, batch)` of 0 and 1.

    Returns:
        float32 `(M, batch)`, with the sum 1 over the modalities.
    """
    if logits.shape[0] == 1:
        return ops.ones_like(logits[:, :, 0])
    log_p = ops.log_softmax(logits, axis=-1)
    confidence = ops.sum(ops.exp(log_p) * log_p, axis=-1)
    if present is not None:
        confidence = ops.where(present > 0, confidence, -1e9)
    return ops.softmax(confidence, axis=0)


def epoch_length(data):
    """How many batches an epoch has, or 0 where only reading tells."""
    if data.steps_per_epoch:
        return data.steps_per_epoch
    arrays = (data.x, data.y, data.sample_weight)
    return count_batches(arrays, data.batch_size) or 0


@keras.saving.register_keras_serializable("keras_balance")
class MLA(Averaging, OneAtATime):
    """Trains the modalities in turn, in each batch, with one projected head.

    One forward and one backward pass a step, M updates of the head, and
    `dim`^2 numbers and operations for P. Each encoder and the head have an
    optimizer of their own. That of the head counts M steps a batch: a learning
    rate schedule passes M times as fast there. With accumulated gradients the
    head takes one step for all modalities. P is applied before the optimizer:
    the steps of SGD stay in its range, those of Adam leave it.

    `loss` is the sum of the modalities' losses in training, and the loss of
    the prediction in validation. `<modality>_coefficient` is
    |P dL_m / dK| / |dL_m / dK|, how much of the head's gradient is left.

    Args:
        encoders: see `keras_balance.MultimodalModel`; their features must
            have one width.
        num_classes: see `keras_balance.MultimodalModel`.
        alpha: float above 0, or None for the schedule of the code.
        weights: dict from each modality to its fixed weight in the
            prediction, or None for those by entropy.
        fusion: "shared"; the method is defined for no other.
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these, and for features of several
            widths.
    """

    optimizer_per_modality = True
    head_in_every_turn = True
    average = "logits"
    tracked = ("coefficient",)

    def __init__(
        self,
        encoders,
        num_classes,
        alpha=None,
        weights=None,
        fusion="shared",
        variant="paper",
        **kwargs,
    ):
        if alpha is not None:
            check_number("alpha", alpha, least=LEAST_ALPHA)
        check_variant(variant)
        if kwargs.get("heads"):
            raise ValueError(
                "MLA trains the map of fusion='shared', which is its head. "
                "Received: heads=True"
            )
        super().__init__(encoders, num_classes, fusion=fusion, **kwargs)
        check_shares("weights", weights, self.modalities)
        if not isinstance(self.fusion, Shared) or self.fusion.units:
            raise ValueError(
                "MLA needs one linear head for all modalities, "
                f"fusion='shared'. Received: {type(self.fusion).__name__}"
            )
        self.alpha = alpha
        self.shares = None if weights is None else dict(weights)
        self.variant = variant
        self.projects = variant == "paper" and len(self.modalities) > 1
        # The batch's place in the epoch, and how many there are, 0: unknown.
        self.place = self.add_state("place", dtype="int32")
        self.length = self.add_state("length", dtype="int32")

    def build(self, input_shape):
        super().build(input_shape)
        if self.projects:
            self.projection = self.add_state(
                "projection",
                (self.feature_dims[0],) * 2,
                keras.initializers.Identity(),
            )

    def on_epoch_begin(self, epoch, data):
        before = int(ops.convert_to_numpy(self.place))
        self.length.assign(epoch_length(data) or before)
        self.place.assign(0)

    # Prediction ---------------------------------------------------------------

    def average_weights(self, logits, marks):
        if self.shares is None:
            return entropy_weights(logits, marks)
        return super().average_weights(logits, marks)

    # The step -----------------------------------------------------------------

    def balanced_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        features, unimodal, present, total = {}, {}, {}, 0.0
        for name in self.modalities:
            loss, outputs = self.learn_one(name, batch)
            if self.projects:
                self.take_up(name, outputs, batch)
            total = total + loss
            features |= outputs.features
            unimodal |= outputs.unimodal
            present |= outputs.present
        self.place.assign(ops.convert_to_tensor(self.place) + 1)
        outputs = self.averaged(features, unimodal, present)
        self.scores(outputs, batch)
        return self.step_logs(total, outputs, batch)

    def own_head(self, name):
        return self.fusion.head

    def modulate_one(self, name, gradients, variables):
        kernel = self.fusion.head.kernel
        found = [i for i, v in enumerate(variables) if v is kernel]
        if not self.projects or not found:
            self.track(f"{name}_coefficient", 1.0)
            return gradients
        whole = gradients[found[0]]
        part = ops.matmul(ops.convert_to_tensor(self.projection), whole)
        kept, weight = kept_share([whole], [part])
        self.track(f"{name}_coefficient", kept, weight)
        return [
            part if v is kernel else g
            for g, v in zip(gradients, variables, strict=True)
        ]

    def take_up(self, name, outputs, batch):
        """P after this batch's mean features of a modality."""
        rows = batch.weight
        if name in outputs.present:
            rows = rows * outputs.present[name]
        features = ops.cast(outputs.features[name], "float32")
        total = self.sum_over_replicas(ops.sum(rows[:, None] * features, 0))
        count = self.sum_over_replicas(ops.sum(rows))
        mean = total / ops.maximum(count, 1e-8)
        alpha = self.alpha
        if alpha is None:
            alpha = forgetting(
                ops.convert_to_tensor(self.place),
                ops.convert_to_tensor(self.length),
            )
        old = ops.convert_to_tensor(self.projection)
        new = next_projection(old, mean, alpha)
        self.projection.assign(ops.where(ops.all(ops.isfinite(new)), new, old))

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "weights": None if self.shares is None else dict(self.shares),
            "variant": self.variant,
        }
