"""Modality-alternating learning: one modality at a time, on its own loss.

The baseline of Hua et al., "ReconBoost: Boosting Can Achieve Modality
Reconcilement", ICML 2024; the order and granularity are those of MLA (per
batch) and of stages of epochs.

    theta_k <- theta_k - eta d CE(u^k, y) / d theta_k,  k the modality at turn
    prediction: f = sum_m u^m                            "sum", the paper's
                f = sum_m w_m u^m                        "logits"
                f = log sum_m w_m softmax(u^m)           "probabilities"

u^k `(batch, classes)` are the logits of modality k's encoder and head. The
joint loss is never back-propagated, and while one modality is at turn the
others are neither run nor moved: not by momentum, not by decay, and their
BatchNormalization statistics stand still. Each modality has a head of its own;
with `fusion="shared"` one head serves all and moves at every turn, as in the
released code of MLA. One epoch of turns by batch costs as much as one epoch of
joint training divided by the number of modalities.

In the sum a modality of larger logits outweighs the others; the means, whose
weights w_m are equal or given and add up to 1, are our addition. Probabilities
make logits of any scale comparable.

Values: turns of 4 epochs in ReconBoost's experiments, each with a new
optimizer, `restarts=True`: SGD 1e-2, momentum 0.9, decay 5e-4.
"""

import keras
from keras import ops

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_count
from keras_balance.arguments import check_shares
from keras_balance.fusions.shared import Shared
from keras_balance.mechanisms.averages import AVERAGES
from keras_balance.mechanisms.averages import Averaging
from keras_balance.mechanisms.averages import stacked
from keras_balance.mechanisms.one_at_a_time import OneAtATime
from keras_balance.models import batch as batches
from keras_balance.models.multimodal import Outputs
from keras_balance.optimizers.slots import restart

GRANULARITIES = ("batch", "epoch", "stage")
PREDICTIONS = ("sum", *AVERAGES)


def modality_at_turn(epoch, granularity, stage_epochs, count):
    """The modality whose turn an epoch is, for turns of epochs and stages.

    Args:
        epoch: integer, counted from 0.
        granularity: "epoch" or "stage".
        stage_epochs: integer, the epochs of a stage.
        count: integer, the number of modalities.

    Returns:
        Integer, the modality's index.
    """
    length = stage_epochs if granularity == "stage" else 1
    return (epoch // length) % count


@keras.saving.register_keras_serializable("keras_balance")
class AlternatingLearning(Averaging, OneAtATime):
    """Trains one modality at a time, each with an optimizer of its own.

    With M modalities each sees 1/M of the steps: compare with joint training
    at equal epochs of each encoder. In `history`, `loss` is that of the
    modality at turn, and so are the metrics compiled into the model; those of
    the validation data are of the prediction.

    Learning rate schedules count a modality's own steps. For another rate or
    kind of optimizer in each modality compile with
    `keras_balance.optimizers.PerModality`, a list of M + 1, of which the last
    is for what modalities share.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        granularity: "batch", "epoch" or "stage": what a turn is.
        stage_epochs: integer, the epochs of a stage.
        restarts: boolean, whether a modality's optimizer forgets momentum and
            the like when its turn begins; for turns of epochs and stages.
            Learning rates stay, and schedules count on.
        prediction: "sum", "logits" or "probabilities": what predicts.
        weights: dict from each modality to its weight in a mean, or None for
            equal ones.
        fusion: "sum", or another fusion that gives each modality logits of
            its own parameters alone; or "shared". Its maps are the heads;
            `prediction` says what becomes of their logits.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
    """

    optimizer_per_modality = True

    def __init__(
        self,
        encoders,
        num_classes,
        granularity="batch",
        stage_epochs=4,
        restarts=False,
        prediction="sum",
        weights=None,
        fusion="sum",
        **kwargs,
    ):
        check_choice("granularity", granularity, GRANULARITIES)
        check_count("stage_epochs", stage_epochs)
        check_choice("prediction", prediction, PREDICTIONS)
        if restarts and granularity == "batch":
            raise ValueError(
                "restarts is for turns of epochs and stages: optimizers that "
                "start anew in every batch would never gather anything. "
                "Received: restarts=True, granularity='batch'"
            )
        if weights is not None and prediction == "sum":
            raise ValueError(
                "weights are those of a mean: prediction='logits' or "
                f"'probabilities'. Received: prediction='sum', "
                f"weights={weights!r}"
            )
        if kwargs.get("heads"):
            raise ValueError(
                "AlternatingLearning trains the maps of its fusion, which are "
                "its heads. Received: heads=True"
            )
        super().__init__(
            encoders,
            num_classes,
            fusion=fusion,
            phases=("batch",) if granularity == "batch" else tuple(encoders),
            **kwargs,
        )
        check_shares("weights", weights, self.modalities)
        if not self.fusion.separate and not isinstance(self.fusion, Shared):
            raise ValueError(
                "AlternatingLearning needs a fusion in which no two "
                "modalities share a parameter, fusion='sum', or one head for "
                "all, fusion='shared'. Received: "
                f"{type(self.fusion).__name__}"
            )
        self.granularity = granularity
        self.stage_epochs = stage_epochs
        self.restarts = bool(restarts)
        self.average = prediction
        self.shares = None if weights is None else dict(weights)
        self.turn = self.add_state("turn", dtype="int32")

    def on_epoch_begin(self, epoch, data):
        if self.granularity == "batch":
            return
        length = self.stage_epochs if self.granularity == "stage" else 1
        count = len(self.modalities)
        turn = modality_at_turn(
            epoch, self.granularity, self.stage_epochs, count
        )
        if self.restarts and epoch % length == 0:
            restart(
                self.optimizer,
                self.trainable_variables,
                clock=True,
                groups=[turn, count],
            )
        self.set_phase(self.modalities[turn])

    def make_train_function(self, force=False):
        """One compiled step; by batch, one for each modality, in turn.

        A step that takes its turn inside serves several batches at once, with
        `steps_per_execution`. It is slow where compilers are bad at branches:
        on JAX's CPU a convolution's gradient takes 40 times as long in one.
        """
        if self.granularity != "batch":
            return super().make_train_function(force)
        if self.steps_per_execution > 1:
            self.phase = "batch"
            return super().make_train_function(force)
        steps = {}
        for name in self.modalities:
            self.phase = name
            steps[name] = super().make_train_function(force)
            force = False
        turn = int(ops.convert_to_numpy(self.turn))

        def take_turns(*arguments):
            nonlocal turn
            self.phase = self.modalities[turn]
            turn = (turn + 1) % len(self.modalities)
            return steps[self.phase](*arguments)

        self.train_function = take_turns
        return take_turns

    def own_head(self, name):
        if isinstance(self.fusion, Shared):
            return self.fusion.head
        return super().own_head(name)

    def averaged(self, features, unimodal, present):
        if self.average != "sum":
            return super().averaged(features, unimodal, present)
        logits, marks = stacked(unimodal, present)
        if marks is not None:
            logits = marks[:, :, None] * logits
        fused = ops.sum(logits, axis=0)
        return Outputs(features, unimodal, fused, present)

    def balanced_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        count = len(self.modalities)
        if self.phase == "batch":
            branches = [
                lambda name=name: self.train_one(name, batch)
                for name in self.modalities
            ]
            turn = ops.convert_to_tensor(self.turn)
            logs = self.switch(turn, branches)
            self.turn.assign((turn + 1) % count)
            return logs
        if self.granularity == "batch":
            after = self.modalities.index(self.phase) + 1
            self.turn.assign(after % count)
        return self.train_one(self.phase, batch)

    def get_config(self):
        return {
            **super().get_config(),
            "granularity": self.granularity,
            "stage_epochs": self.stage_epochs,
            "restarts": self.restarts,
            "prediction": self.average,
            "weights": None if self.shares is None else dict(self.shares),
        }
