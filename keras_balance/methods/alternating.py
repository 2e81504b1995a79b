"""Modality-alternating learning: one modality at a time, on its own loss.

The baseline of Hua et al., "ReconBoost: Boosting Can Achieve Modality
Reconcilement", ICML 2024; the order and granularity are those of MLA (per
batch) and of stages of epochs.

    theta_k <- theta_k - eta d CE(u^k, y) / d theta_k,  k the modality at turn
    prediction: f = sum_m u^m

u^k `(batch, classes)` are the logits of modality k's encoder and head. The
joint loss is never back-propagated, and while one modality is at turn the
others are neither run nor moved: not by momentum, not by decay, and their
BatchNormalization statistics stand still. One epoch of turns by batch costs as
much as one epoch of joint training divided by the number of modalities.
"""

import keras
from keras import ops

from keras_balance.models import batch as batches
from keras_balance.models.one_at_a_time import OneAtATime

GRANULARITIES = ("batch", "epoch", "stage")


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
class AlternatingLearning(OneAtATime):
    """Trains one modality at a time, each with an optimizer of its own.

    With M modalities each sees 1/M of the steps: compare with joint training
    at equal epochs of each encoder. In `history`, `loss` is that of the
    modality at turn, and so are the metrics compiled into the model; those of
    the validation data are of the summed logits.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        granularity: "batch", "epoch" or "stage": what a turn is.
        stage_epochs: integer, the epochs of a stage.
        fusion: "sum", or another fusion that gives each modality logits of
            its own parameters alone.
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
        fusion="sum",
        **kwargs,
    ):
        if granularity not in GRANULARITIES:
            raise ValueError(
                f"granularity must be one of {GRANULARITIES}. Received: "
                f"granularity={granularity!r}"
            )
        if not isinstance(stage_epochs, int) or stage_epochs < 1:
            raise ValueError(
                "stage_epochs must be an integer of at least 1. Received: "
                f"stage_epochs={stage_epochs!r}"
            )
        if kwargs.get("heads"):
            raise ValueError(
                "AlternatingLearning trains the maps of fusion='sum', which "
                "are its heads. Received: heads=True"
            )
        super().__init__(
            encoders,
            num_classes,
            fusion=fusion,
            phases=("batch",) if granularity == "batch" else tuple(encoders),
            **kwargs,
        )
        if not self.fusion.separate:
            raise ValueError(
                "AlternatingLearning needs a fusion in which no two "
                "modalities share a parameter, fusion='sum'. Received: "
                f"{type(self.fusion).__name__}"
            )
        self.granularity = granularity
        self.stage_epochs = stage_epochs
        self.turn = self.add_state("turn", dtype="int32")

    def on_epoch_begin(self, epoch, data):
        if self.granularity != "batch":
            turn = modality_at_turn(
                epoch,
                self.granularity,
                self.stage_epochs,
                len(self.modalities),
            )
            self.set_phase(self.modalities[turn])

    def balanced_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        if self.phase in self.modalities:
            return self.train_one(self.phase, batch)
        branches = [
            lambda name=name: self.train_one(name, batch)
            for name in self.modalities
        ]
        turn = ops.convert_to_tensor(self.turn)
        logs = self.switch(turn, branches)
        self.turn.assign((turn + 1) % len(self.modalities))
        return logs

    def get_config(self):
        return {
            **super().get_config(),
            "granularity": self.granularity,
            "stage_epochs": self.stage_epochs,
        }
