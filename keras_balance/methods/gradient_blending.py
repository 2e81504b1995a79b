"""Gradient-Blending (G-Blend): losses weighed by generalisation.

Wang, Tran, Feiszli, "What Makes Training Multi-Modal Classification Networks
Hard?", CVPR 2020, arXiv 1905.12681.

    L     = sum_m w_m CE(u^m, y) + w_joint CE(f, y)
    O_k   = L*_k - L^T_k                         overfitting of branch k
    G_k   = L*_k(start) - L*_k(end),  dO_k = O_k(end) - O_k(start)
    w_k   = G_k / dO_k^2,  divided by their sum

u^m `(batch, classes)` are the logits of a dedicated linear head, f the fused
ones. L^T and L* are the mean losses over the training and the validation data,
without dropout. The M + 1 weights are estimated by training each branch alone
for `super_epoch` epochs from the same checkpoint: encoder m with its head on
CE(u^m), and everything but the heads on CE(f). After each, as the next epoch
begins, the checkpoint is restored, and the optimizer forgets its momentum.
Validation data that decides weights is not test data.

Every pass over the data is an epoch of `fit`. Offline: the first (M + 1) n
epochs estimate, the rest train. Online: cycles of (M + 1) n epochs that
estimate and n that train, from where the last cycle's training ended. The
paper's offline estimate takes as many epochs per branch as its training.

A gain G below LEAST_GAIN counts as that, and |dO| below LEAST_OVERFITTING as
that; where no branch gained, all weights are equal. In a batch that lacks a
modality altogether, the other weights share its own.

Prediction is f. Values: n = 10 or 20; published weights on Kinetics, offline,
are 0.630, 0.014, 0.356 (RGB, audio, joint).
"""

import keras
import numpy as np
from keras import ops

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_count
from keras_balance.engine import replicas
from keras_balance.mechanisms.one_at_a_time import OneAtATime
from keras_balance.mechanisms.snapshot import Snapshot
from keras_balance.models import batch as batches
from keras_balance.models.checks import with_heads
from keras_balance.models.inference import Forward
from keras_balance.models.inference import forward_model
from keras_balance.optimizers.slots import restart

LEAST_GAIN = 1e-6
LEAST_OVERFITTING = 1e-2
MODES = ("offline", "online")
TRAIN = "train"


def blend_weights(start, end):
    """w_k from losses at the checkpoint and at the end of each branch.

    Args:
        start: `(2, M + 1)`, training losses and validation losses.
        end: `(2, M + 1)`, the same after each branch's own training.

    Returns:
        float64 `(M + 1,)`, none negative, with the sum 1.
    """
    start, end = np.asarray(start, "float64"), np.asarray(end, "float64")
    gain = start[1] - end[1]
    overfitting = (end[1] - end[0]) - (start[1] - start[0])
    if not np.isfinite(gain + overfitting).all() or not (gain > 0).any():
        return np.full(len(gain), 1.0 / len(gain))
    least = np.maximum(np.abs(overfitting), LEAST_OVERFITTING)
    weights = np.maximum(gain, LEAST_GAIN) / least**2
    return weights / weights.sum()


def stage_of(epoch, mode, super_epoch, branches):
    """What an epoch is for.

    Args:
        epoch: integer, counted from 0.
        mode: "offline" or "online".
        super_epoch: integer, n.
        branches: integer, M + 1.

    Returns:
        `(branch, offset)`: the branch that is trained alone, or None where
        all are trained, and which of the stage's epochs it is, from 0.
    """
    estimation = branches * super_epoch
    if mode == "online":
        epoch %= estimation + super_epoch
    if epoch >= estimation:
        return None, epoch - estimation
    return epoch // super_epoch, epoch % super_epoch


class OwnLogits(Forward):
    """The logits of one modality; the other encoders are not run."""

    def __init__(self, model, modality):
        super().__init__(model)
        self.modality = modality

    def call(self, x):
        features = self.model.encode(self.modality, x)
        found = self.model.outputs_of_one(self.modality, features, x)
        return {f"unimodal/{self.modality}": found.logits}


@keras.saving.register_keras_serializable("keras_balance")
class GradientBlending(OneAtATime):
    """Weighs the losses of the modalities and of the fusion by estimates.

    One forward and one backward pass a step; of one encoder in the epochs of
    a modality's branch. An estimation adds (M + 1) `super_epoch` epochs, and
    M + 2 passes without gradient over training and validation data.
    `<modality>_weight` and `joint_weight` are the weights in force. `phase`
    in `history` is 0 where all is trained, then one number per modality, and
    the last for the joint branch: losses of epochs that only estimate are
    those of the branch, and their weights are undone. They have no `val_*`:
    callbacks that stop or choose by those pass them over.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        mode: "offline" or "online".
        super_epoch: integer, n, the epochs of each branch in an estimation
            and, online, of training between two of them.
        **kwargs: further arguments of `keras_balance.MultimodalModel`;
            `heads` cannot be False.

    Raises:
        ValueError: for values other than these, and in `fit` without
            validation data.
        TypeError: in `fit`, for training data that reading uses up.
    """

    tracked = ("weight",)
    trains_heads = True
    needs_validation = True

    def __init__(
        self, encoders, num_classes, mode="offline", super_epoch=10, **kwargs
    ):
        check_choice("mode", mode, MODES)
        check_count("super_epoch", super_epoch)
        if isinstance(encoders, dict) and {TRAIN, "joint"} & set(encoders):
            raise ValueError(
                "GradientBlending calls its own phases 'train' and 'joint'. "
                f"Received: modalities {list(encoders)}"
            )
        super().__init__(
            encoders,
            num_classes,
            phases=(TRAIN, *encoders, "joint"),
            **with_heads(kwargs, "Gradient-Blending"),
        )
        self.mode = mode
        self.super_epoch = super_epoch
        # Whether there is a checkpoint to go back to.
        self.taken = self.add_state("checkpoint_taken", dtype="int32")

    def build(self, input_shape):
        super().build(input_shape)
        count = len(self.modalities) + 1
        even = keras.initializers.Constant(1.0 / count)
        self.blend = self.add_state("blend_weights", (count,), even)
        self.start_losses = self.add_state("start_losses", (2, count))
        self.end_losses = self.add_state("end_losses", (2, count))
        layers = (*self.encoders.values(), *self.heads.values(), self.fusion)
        self.checkpoint = Snapshot(
            self, [w for layer in layers for w in layer.weights], "checkpoint"
        )

    # Estimation ---------------------------------------------------------------

    def on_epoch_begin(self, epoch, data):
        branch, offset = self.stage(epoch)
        taken = int(ops.convert_to_numpy(self.taken))
        first = branch == 0 and offset == 0
        if first or (branch is not None and not taken):
            # Measured first: that builds a model that has not run yet.
            losses = self.measured_losses(data)
            self.start_losses.assign(losses)
            # A branch that is not trained shows no gain.
            self.end_losses.assign(losses.copy())
            self.checkpoint.take()
            self.taken.assign(1)
        elif offset == 0 and taken:
            # Not at the branch's end: its results are of its weights.
            self.checkpoint.restore()
        if branch is None:
            self.taken.assign(0)
        if offset == 0:
            restart(self.optimizer, self.trainable_variables)
        phase = TRAIN if branch is None else self.phases[1 + branch]
        if phase != self.phase:
            self.set_phase(phase)

    def on_epoch_end(self, epoch, data, logs):
        branch, offset = self.stage(epoch)
        if branch is None or offset < self.super_epoch - 1:
            return
        losses = keras.ops.convert_to_numpy(self.end_losses).copy()
        losses[:, branch] = self.measured_losses(data, branch)[:, branch]
        self.end_losses.assign(losses)
        if branch == len(self.modalities):
            start = keras.ops.convert_to_numpy(self.start_losses)
            weights = blend_weights(start, losses)
            self.blend.assign(weights.astype("float32"))

    @property
    def predicts_own(self):
        return self.phase == TRAIN

    def epochs_before_own(self):
        return self.super_epoch * (len(self.modalities) + 1)

    def stage(self, epoch):
        """`stage_of` for this model."""
        count = len(self.modalities) + 1
        return stage_of(epoch, self.mode, self.super_epoch, count)

    def measured_losses(self, data, branch=None):
        """float32 `(2, M + 1)`: on training and on validation data.

        Where one branch is asked for, the others are zero, and a modality's
        is measured without running the other encoders.
        """
        readers = (data.training_batches(), data.validation_batches())
        rows = [self.mean_losses(reader, branch) for reader in readers]
        return np.array(rows, "float32")

    def mean_losses(self, reader, branch=None):
        """Mean compiled loss of each branch, over the rows that have it."""
        names = (*self.modalities, None)
        forward, wanted = forward_model(self), range(len(names))
        if branch is not None:
            wanted = [branch]
        if branch is not None and names[branch] is not None:
            forward = forward_model(self, OwnLogits, modality=names[branch])
        sums, totals = np.zeros(len(names)), np.zeros(len(names))
        for x, y, weight in reader:
            found = forward.on_batch(x)
            weight = np.ones(len(y)) if weight is None else np.ravel(weight)
            for i in wanted:
                key, own = "logits", weight
                if names[i] is not None:
                    key = f"unimodal/{names[i]}"
                    own = weight * np.ravel(x.get(f"{names[i]}_present", 1.0))
                loss = self.loss_object(y, found[key], own.astype("float32"))
                # Keras divides by the rows, whatever their weights.
                sums[i] += float(ops.convert_to_numpy(loss)) * len(y)
                totals[i] += own.sum()
        return sums / np.maximum(totals, 1e-8)

    # Training -----------------------------------------------------------------

    def balanced_step(self, data):
        weights = ops.convert_to_tensor(self.blend)
        for i, name in enumerate((*self.modalities, "joint")):
            self.track(f"{name}_weight", weights[i])
        if self.phase not in self.modalities:
            return super().balanced_step(data)
        batch = batches.unpack(data, self.num_classes)
        return self.train_one(self.phase, batch)

    def moving_variables(self):
        if self.phase == TRAIN:
            return super().moving_variables()
        heads = {
            id(v) for h in self.heads.values() for v in h.trainable_variables
        }
        return [v for v in super().moving_variables() if id(v) not in heads]

    def training_loss(self, outputs, batch):
        joint = self.loss_object(batch.y, outputs.logits, batch.sample_weight)
        own = sum(self.losses) / replicas()
        if self.phase != TRAIN:
            return joint + own
        weights = self.weights_of_batch(outputs, batch)
        loss = weights[-1] * joint + own
        for i, name in enumerate(self.modalities):
            loss = loss + weights[i] * self.unimodal_loss(name, outputs, batch)
        return loss

    def weights_of_batch(self, outputs, batch):
        """The weights, without the modalities that no row has: `(M + 1,)`."""
        weights = ops.convert_to_tensor(self.blend)
        if not outputs.present:
            return weights
        ones = ops.ones_like(batch.weight)
        rows = [
            ops.sum(batch.weight * outputs.present.get(name, ones))
            for name in self.modalities
        ]
        found = self.sum_over_replicas(ops.stack([*rows, ops.sum(ones)]))
        weights = weights * ops.cast(found > 0, "float32")
        return weights / ops.maximum(ops.sum(weights), 1e-8)

    def _metric_names(self):
        return [*super()._metric_names(), "joint_weight"]

    def get_config(self):
        return {
            **super().get_config(),
            "mode": self.mode,
            "super_epoch": self.super_epoch,
        }
