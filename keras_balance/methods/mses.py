"""MSES: modality-specific early stopping.

Fujimori, Endo, Kawai, Mochizuki, "Modality-Specific Learning Rate Control for
Multimodal Classification", ACPR 2019.

    L     = CE(f, y) + sum_m CE(u^m, y)
    l~_m  = beta l~_m(t - 1) + (1 - beta) l_m(t),   l~_m(1) = l_m(1)

f are the fused logits, u^m those of modality m's own head, both `(batch,
classes)`, and l_m(t) the validation loss of u^m after epoch t. A modality whose
l~_m has found no new minimum for P epochs overfits: its encoder and head go
back to the weights of the minimum, BatchNormalization statistics included, and
rest from then on. Training ends when all modalities rest.

A modality at rest runs as in prediction, and nothing of it moves: not by
momentum, not by decay. (A learning rate of 0 leaves the statistics moving, and
a gradient of 0 momentum and decay.)

There is no code by the authors. That of AGM, which published tables ran,
differs (`variant="code"`):

* the loss is CE(f, y) alone, and u^m the split of the fused logits; the weights
  of a linear fusion that meet modality m alone rest with it;
* l~_m(t) = beta l_m(t - 1) + (1 - beta) l_m(t), of two losses as they are;
* a modality stops when the minimum is more than P epochs old;
* the whole model goes back to the weights of that epoch, other modalities
  included. It takes the optimizer's state back as well; here that goes on.

Values: beta 0.6; P 80 (CREMA-D), 10 (AV-MNIST), 30 (UR-Funny) in that code,
which validates on the test split of the first two. The paper's are unknown to
us.
"""

import itertools

import keras
import numpy as np
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.mechanisms.snapshot import Snapshot
from keras_balance.models import batch as batches
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.checks import with_heads
from keras_balance.optimizers.update_scale import scale_update

NONE_LEFT = "(none)"


def smoothed_loss(loss, previous, smoothed, beta, variant="paper"):
    """l~(t) from the loss of this epoch and what was before.

    Args:
        loss: float, l(t).
        previous: float, l(t - 1), or None in the first epoch.
        smoothed: float, l~(t - 1), or None in the first epoch.
        beta: float in [0, 1), how much of the past is kept.
        variant: "paper" or "code".
    """
    past = smoothed if variant == "paper" else previous
    return loss if past is None else beta * past + (1 - beta) * loss


def phase_name(active):
    """The name of the phase in which these modalities train."""
    return "+".join(active) or NONE_LEFT


def subsets(modalities):
    """Every subset in the modalities' order, all of them first, none last."""
    sizes = range(len(modalities), -1, -1)
    return [s for n in sizes for s in itertools.combinations(modalities, n)]


@keras.saving.register_keras_serializable("keras_balance")
class MSES(BalancedModel):
    """Stops each modality where its own validation loss says so.

    One forward and one backward pass a step; modalities at rest have forward
    passes only. `fit` needs validation data; an epoch that is not validated
    changes nothing. Memory: a copy of the model's weights, in the code's
    variant one for each modality. Adds `<modality>_loss`, in validation too,
    `<modality>_coefficient`, 1 while it trains and 0 at rest, and `phase`, the
    index of the set of modalities that train in `phases`.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        patience: integer, P, in epochs.
        beta: float in [0, 1), how strongly validation losses are smoothed.
        variant: "paper", or "code" for what AGM's code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`;
            the paper's variant cannot do without `heads`.

    Raises:
        ValueError: for values other than these, in the code's variant for a
            fusion without unimodal logits, and in `fit` without validation
            data.
    """

    needs_unimodal_logits = True
    needs_validation = True
    tracked = ("loss", "coefficient")

    def __init__(
        self,
        encoders,
        num_classes,
        patience=10,
        beta=0.6,
        variant="paper",
        **kwargs,
    ):
        check_count("patience", patience)
        check_number("beta", beta, most=1)
        check_variant(variant)
        if variant == "paper":
            kwargs = with_heads(kwargs, "MSES")
        phases = [phase_name(s) for s in subsets(tuple(encoders))]
        super().__init__(encoders, num_classes, phases=phases, **kwargs)
        self.trains_heads = variant == "paper"
        self.patience = patience
        self.beta = beta
        self.variant = variant

    def build(self, input_shape):
        super().build(input_shape)
        count = (len(self.modalities),)
        self.training_now = self.add_state("training_now", count, "ones")
        self.previous = self.add_state("previous", count)
        self.smoothed = self.add_state("smoothed", count)
        self.best = self.add_state("best", count)
        # Epochs since the minimum, and finite losses so far.
        self.waited = self.add_state("waited", count)
        self.seen = self.add_state("seen", count)
        self.snapshots = [
            Snapshot(self, self._own_weights(i), f"best_{name}")
            for i, name in enumerate(self.modalities)
        ]

    def _own_weights(self, index):
        """What goes back to its best value when a modality stops."""
        parts = [self.encoders[self.modalities[index]]]
        if self.variant == "code":
            parts = [*self.encoders.values(), *self.heads.values(), self.fusion]
            return [v for part in parts for v in part.weights]
        parts.append(self.heads[self.modalities[index]])
        own = [v for part in parts for v in part.weights]
        return [*own, *self.fusion.own_variables(index)]

    # Between epochs ---------------------------------------------------------

    def on_epoch_begin(self, epoch, data):
        self.rest()

    def rest(self):
        """Takes the modalities that stopped out of the step."""
        training = ops.convert_to_numpy(self.training_now) > 0
        pairs = list(zip(self.modalities, training, strict=True))
        self.resting = tuple(name for name, on in pairs if not on)
        self.set_phase(phase_name([name for name, on in pairs if on]))
        if not training.any():
            self.stop_training = True

    def on_epoch_end(self, epoch, data, logs):
        keys = [f"val_{name}_loss" for name in self.modalities]
        if not all(key in (logs or {}) for key in keys):
            return
        training = np.array(ops.convert_to_numpy(self.training_now))
        for index, key in enumerate(keys):
            if training[index] and self.overfits(index, float(logs[key])):
                self.snapshots[index].restore()
                training[index] = 0
        self.training_now.assign(training)
        if not training.any():
            self.stop_training = True

    def overfits(self, index, loss):
        """Takes in a modality's loss; whether it has to stop.

        Args:
            index: integer, the modality's place.
            loss: float. One that is not finite is no minimum, and is not
                averaged with others.
        """
        state = (
            self.previous,
            self.smoothed,
            self.best,
            self.waited,
            self.seen,
        )
        values = [np.array(ops.convert_to_numpy(v)) for v in state]
        previous, smoothed, best, waited, seen = (v[index] for v in values)
        first = seen == 0
        improved = False
        if np.isfinite(loss):
            smoothed = smoothed_loss(
                loss,
                None if first else float(previous),
                None if first else float(smoothed),
                self.beta,
                self.variant,
            )
            improved = first or np.float32(smoothed) < best
            previous, seen = loss, seen + 1
        waited = 0 if improved else waited + 1
        best = smoothed if improved else best
        if improved:
            self.snapshots[index].take()
        new = (previous, smoothed, best, waited, seen)
        for variable, value, one in zip(state, values, new, strict=True):
            value[index] = one
            variable.assign(value)
        limit = self.patience + (self.variant == "code")
        # Without any minimum there is nothing to go back to.
        return bool(seen) and waited >= limit

    # The step ---------------------------------------------------------------

    def training_loss(self, outputs, batch):
        loss = super().training_loss(outputs, batch)
        if self.variant == "paper":
            for name in self.modalities:
                if name not in self.resting:
                    loss = loss + self.unimodal_loss(name, outputs, batch)
        return loss

    def balanced_step(self, data):
        if self.phase != NONE_LEFT:
            return super().balanced_step(data)
        # All are at rest, and so is what they share: `fit` stops here.
        batch = batches.unpack(data, self.num_classes)
        outputs = self.forward_pass(batch.x, training=False)
        loss = self.training_loss(outputs, batch)
        return self.step_logs(loss, outputs, batch)

    def modulate(self, gradients, outputs, batch):
        for name in self.modalities:
            on = 0.0 if name in self.resting else 1.0
            self.track(f"{name}_coefficient", on)
        return super().modulate(gradients, outputs, batch)

    def update(self, update, variables):
        held = self.held_blocks()
        old = [ops.copy(v.value) for v, _ in held]
        super().update(update, variables)
        for before, (v, mask) in zip(old, held, strict=True):
            v.assign(scale_update(before, ops.convert_to_tensor(v), mask))

    def held_blocks(self):
        """Shared fusion weights and masks, 0 where they meet the resting."""
        if self.variant == "paper" or not self.resting:
            return []
        on = [
            ops.convert_to_tensor(0.0 if name in self.resting else 1.0)
            for name in self.modalities
        ]
        fusion = self.fusion.trainable_variables
        moving = {id(v) for v in self.moving_variables()}
        return [
            (fusion[i], mask)
            for i, mask in self.fusion.block_factors(on).items()
            if id(fusion[i]) in moving
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "patience": self.patience,
            "beta": self.beta,
            "variant": self.variant,
        }
