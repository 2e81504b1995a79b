"""G2D: gradient-guided distillation from unimodal teachers.

Rakib, Bagavathi, "G2D: Boosting Multimodal Learning with Gradient-Guided
Distillation", ICCV 2025, arXiv 2506.21514.

    L     = CE(f, y) + sum_m [ lambda MSE(h^m, t^m) + gamma KL_m ]
    KL_m  = mean_i T^2 KL(softmax(v^m_i / T) || softmax(f_i / T))
    rho^m = sum_i softmax(v^m_i)[y_i]
    g^m  <- g^m where rho^m is the smallest, else 0       in the first epochs

h^m `(batch, dim)` are the features of modality m and f `(batch, classes)` the
fused logits. t^m and v^m are features and logits of the modality's teacher, an
encoder of the same kind with a linear head that was trained alone and is
frozen; see UMT (`keras_balance.methods.unimodal_teacher`), of which this is an
extension. g^m is the gradient of the encoder of m. In every batch of the first
epochs only the encoder whose teacher is least sure of the classes learns
(sequential modality prioritization); then all do. Momentum and decay go on.
Teachers that are equally sure hold nobody back, and those of encoders that are
frozen are left out. Paper and code have two
modalities; with more, our extension, it is one encoder that learns, too.

Where the released code differs (`variant="code"`): it holds back kernels of
rank 4 alone, those of 2-D convolutions, and one epoch more, as it counts from 0
with the last one included; equal scores end in an error there.

Values: lambda = gamma = T = 1, 150 epochs of 300, SGD 1e-3, a tenth of it after
200 epochs, batches of 16.
"""

from typing import Any
from typing import NamedTuple

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.mechanisms.convolution_kernels import TouchesKernels
from keras_balance.methods.unimodal_teacher import STUDENTS
from keras_balance.methods.unimodal_teacher import UniModalTeacher
from keras_balance.models import scores
from keras_balance.models.balanced import Update
from keras_balance.models.serialization import deserialized
from keras_balance.models.serialization import serialized

# By how much mean scores must differ.
TOLERANCE = 1e-6


class Taught(NamedTuple):
    """`Outputs`, and `taught`, the teachers' logits by modality."""

    features: Any
    unimodal: Any
    logits: Any
    present: Any
    added: Any
    taught: Any


def divergences(taught, logits, temperature=1.0):
    """T^2 KL(softmax(v / T) || softmax(f / T)) of each row.

    Args:
        taught: float32 `(batch, classes)`, v.
        logits: float32 `(batch, classes)`, f.
        temperature: float above 0, T.

    Returns:
        float32 `(batch,)`.
    """
    log_p = ops.log_softmax(taught / temperature, axis=-1)
    log_q = ops.log_softmax(logits / temperature, axis=-1)
    values = ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
    return temperature**2 * values


def priorities(totals, weight, learners=None):
    """Which encoders learn: 1 for the least sure teacher's, 0 for others'.

    Args:
        totals: float32 `(M,)`, rho.
        weight: scalar, the sum of the rows' weights.
        learners: indices of the encoders that can learn, all by default.

    Returns:
        float32 `(M,)`; ones where all are equal.
    """
    learners = range(totals.shape[0]) if learners is None else learners
    least = ops.min(ops.stack([totals[i] for i in learners]))
    return ops.cast(totals - least <= TOLERANCE * weight, "float32")


@keras.saving.register_keras_serializable("keras_balance")
class G2D(TouchesKernels, UniModalTeacher):
    """Distils unimodal teachers, and lets the weaker modality learn first.

    Two forward passes and one backward pass a step. Without `teachers`, `fit`
    trains them first, for `teacher_epochs` of its epochs: all that
    `UniModalTeacher` says of them holds here. `<modality>_distance` is the
    MSE, `<modality>_divergence` KL_m, `<modality>_teacher_score` the teacher's
    mean probability of the true class and `<modality>_coefficient` how often
    the encoder learned.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        scaling: float, lambda.
        logit_scaling: float, gamma.
        temperature: float above 0, T.
        priority_epochs: integer, how many epochs after those of the teachers
            have priorities.
        teachers: dict from each modality to a trained encoder, which is
            frozen, or None to train them.
        teacher_heads: dict from each modality to the layer that maps its
            teacher's features to logits, which is frozen; goes with
            `teachers`.
        teacher_epochs: integer, the epochs in which they are trained.
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.UniModalTeacher`.

    Raises:
        ValueError: for values other than these, and where the features of an
            encoder and its teacher differ in width.
    """

    tracked = ("distance", "divergence", "teacher_score", "coefficient")

    def __init__(
        self,
        encoders,
        num_classes,
        scaling=1.0,
        logit_scaling=1.0,
        temperature=1.0,
        priority_epochs=150,
        teachers=None,
        teacher_heads=None,
        teacher_epochs=10,
        variant="paper",
        **kwargs,
    ):
        check_number("logit_scaling", logit_scaling)
        check_number("temperature", temperature, least=1e-3)
        check_count("priority_epochs", priority_epochs, least=0)
        check_variant(variant)
        super().__init__(
            encoders,
            num_classes,
            scaling=scaling,
            teachers=teachers,
            teacher_epochs=teacher_epochs,
            **kwargs,
        )
        self.logit_scaling = logit_scaling
        self.temperature = temperature
        self.priority_epochs = priority_epochs
        self.variant = variant
        expected = set(self.modalities) if self.teachers_given else set()
        if set(teacher_heads or {}) != expected:
            raise ValueError(
                "Teachers need heads: with teachers, teacher_heads must be a "
                f"dict with a layer for each of {list(self.modalities)}, and "
                "None without. Received: teacher_heads="
                f"{teacher_heads and list(teacher_heads)}"
            )
        if self.teachers_given:
            self.teacher_heads = {m: teacher_heads[m] for m in self.modalities}
            for head in self.teacher_heads.values():
                head.trainable = False
        # Epochs of the students so far.
        self.studied = self.add_state("studied", dtype="int32")

    def on_epoch_end(self, epoch, data, logs):
        super().on_epoch_end(epoch, data, logs)
        if self.phase == STUDENTS:
            studied = int(ops.convert_to_numpy(self.studied))
            self.studied.assign(studied + 1)

    # The step -----------------------------------------------------------------

    def lesson(self, goals, outputs, batch):
        loss, outputs = super().lesson(goals, outputs, batch)
        taught = {
            name: ops.stop_gradient(
                ops.cast(self.teacher_heads[name](goal), "float32")
            )
            for name, goal in goals.items()
        }
        for name, logits in taught.items():
            values = divergences(logits, outputs.logits, self.temperature)
            weight = batch.weight * outputs.present.get(name, 1.0)
            self.track(f"{name}_divergence", values, weight)
            rows = self.own_weight(name, outputs, batch)
            loss = loss + self.logit_scaling * self.row_mean(values, rows)
        return loss, Taught(*outputs, taught)

    def modulate(self, gradients, outputs, batch):
        gradients = super().modulate(gradients, outputs, batch).gradients
        if self.phase != STUDENTS:
            return Update(gradients)
        learns = self.step_priorities(outputs, batch)
        owner = {
            id(v): i
            for i, name in enumerate(self.modalities)
            for v in self.encoders[name].trainable_variables
            if self.touches(v)
        }
        return Update(
            [
                ops.cast(learns[owner[id(v)]], g.dtype) * g
                if id(v) in owner
                else g
                for g, v in zip(gradients, self.moving_variables(), strict=True)
            ]
        )

    def step_priorities(self, outputs, batch):
        """Which encoders learn in this step, float32 `(M,)`."""
        rows = scores.complete_rows(outputs, batch)
        totals = ops.stack(
            [
                ops.sum(rows * scores.true_class_probability(v, batch.labels))
                for v in outputs.taught.values()
            ]
        )
        totals = self.sum_over_replicas(totals)
        weight = self.sum_over_replicas(ops.sum(rows))
        limit = self.priority_epochs + (self.variant == "code")
        active = ops.convert_to_tensor(self.studied) < limit
        active = ops.logical_and(active, weight > 0)
        learners = [
            i
            for i, name in enumerate(self.modalities)
            if self.encoders[name].trainable_variables
        ]
        found = priorities(totals, weight, learners or None)
        learns = ops.where(active, found, ops.ones_like(found))
        mean = totals / ops.maximum(weight, 1e-8)
        for i, name in enumerate(self.modalities):
            self.track(f"{name}_teacher_score", mean[i], weight)
            self.track(f"{name}_coefficient", learns[i])
        return learns

    def get_config(self):
        given = self.teacher_heads if self.teachers_given else None
        return {
            **super().get_config(),
            "logit_scaling": self.logit_scaling,
            "temperature": self.temperature,
            "priority_epochs": self.priority_epochs,
            "teacher_heads": serialized(given),
            "variant": self.variant,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        heads = deserialized(config.get("teacher_heads"), custom_objects)
        config = {**config, "teacher_heads": heads}
        return super().from_config(config, custom_objects=custom_objects)
