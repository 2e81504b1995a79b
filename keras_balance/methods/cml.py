"""CML: calibrated multimodal learning.

Ma, Zhang, Wu, Fu, Zhang, Hu, "Calibrating Multimodal Learning", ICML 2023,
arXiv 2306.01265. A prediction should not grow surer when a modality is
removed. The modalities are removed one after the other, in a random order,
until one is left:

    S_0 = all modalities, S_k = S_{k-1} without one of them, k = 1 .. M-1
    f_S     fused logits `(batch, classes)`, features outside S being zero
    conf_S  max softmax(f_S), `(batch,)`
    L = (1/M) sum_{k=0}^{M-1} CE(f_{S_k}, y)
        + lam sum_k mean_i a_ki max(0, conf_{S_k} - conf_{S_{k-1}})

a_ki is 0 where f_{S_{k-1}} is right and f_{S_k} is wrong, and 1 elsewhere. For
"concat" f_S is the sum of the unimodal logits in S and of b / M for each
modality outside it: f_{S without m} = f_S - u^m + b / M.

The equations are those that BalanceBenchmark (arXiv 2502.10816) has in its
code, the only source that was read. What it computes beside them
(`variant="code"`): a_ki is 1; the hinge is taken of the sum over the batch,
max(0, sum_i (conf_{S_k} - conf_{S_{k-1}})), so that samples make up for each
other and the term grows with the batch; the order is drawn once an epoch.

Values: lam 0.1.
"""

import keras
from keras import ops

from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.models import scores
from keras_balance.models.balanced import BalancedModel


def removal_ranks(draws):
    """When each modality is removed: 0 is first, M - 1 is never removed.

    Args:
        draws: float32 `(M,)`, the smallest being removed first.

    Returns:
        int32 `(M,)`, a permutation.
    """
    return ops.cast(ops.argsort(ops.argsort(draws)), "int32")


def confidence(logits):
    """The largest probability, float32 `(batch,)`."""
    return scores.largest(ops.softmax(ops.cast(logits, "float32"), axis=-1))


def is_penalised(whole, reduced, labels):
    """0 where the whole is right and the reduced is wrong, `(batch,)`.

    Args:
        whole: logits `(batch, classes)` before a modality is removed.
        reduced: logits after that.
        labels: int32 `(batch,)`.
    """
    right, still_right = (
        ops.equal(ops.cast(ops.argmax(f, axis=-1), "int32"), labels)
        for f in (whole, reduced)
    )
    exempt = ops.logical_and(right, ops.logical_not(still_right))
    return ops.cast(ops.logical_not(exempt), "float32")


@keras.saving.register_keras_serializable("keras_balance")
class CML(BalancedModel):
    """Penalises confidence that grows when a modality is removed.

    One forward and one backward pass of the encoders a step, M of the fusion.
    Needs no unimodal logits: any fusion will do, a removed modality being
    features of zero.

    Rows that lack a modality have the loss of the fused logits alone.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        lam: float, weight of the penalty.
        seed: integer or None, of the order of removal.
        variant: "paper", or "code" for what BalanceBenchmark does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
    """

    def __init__(
        self,
        encoders,
        num_classes,
        lam=0.1,
        seed=None,
        variant="paper",
        **kwargs,
    ):
        check_number("lam", lam)
        check_variant(variant)
        super().__init__(encoders, num_classes, **kwargs)
        self.lam = lam
        self.seed = seed
        self.variant = variant
        self.generator = keras.random.SeedGenerator(seed)
        # What orders the removals of an epoch.
        self.draws = self.add_state("draws", (len(self.modalities),))

    def draw(self):
        """Random numbers whose order is that of removal, `(M,)`."""
        return keras.random.uniform(
            (len(self.modalities),), seed=self.generator
        )

    def on_epoch_begin(self, epoch, data):
        if self.variant == "code":
            self.draws.assign(self.draw())

    def training_loss(self, outputs, batch):
        loss = super().training_loss(outputs, batch)
        count = len(self.modalities)
        if count < 2:
            return loss
        once = self.variant == "code"
        draws = ops.convert_to_tensor(self.draws) if once else self.draw()
        ranks = removal_ranks(draws)
        rows = self.shared_weight(self.modalities, outputs, batch)
        whole, chain, penalty = outputs.logits, 0.0, 0.0
        for k in range(1, count):
            reduced = self.without(ranks < k, outputs, batch)
            chain = chain + self.loss_object(batch.y, reduced, rows)
            penalty = penalty + self.penalty(whole, reduced, rows, batch)
            whole = reduced
        # `loss` has what layers add, which is not averaged over the chain.
        fused = self.loss_object(batch.y, outputs.logits, batch.sample_weight)
        chain = (chain - (count - 1) * fused) / count
        return loss + chain + self.lam * penalty

    def without(self, removed, outputs, batch):
        """Fused logits where the features of some modalities are zero.

        Args:
            removed: booleans `(M,)`.
            outputs: `Outputs`.
            batch: `Batch`.
        """
        features = {
            name: ops.where(removed[i], ops.zeros_like(z), z)
            for i, (name, z) in enumerate(outputs.features.items())
        }
        return self.combine(features, batch.x, training=True).logits

    def penalty(self, whole, reduced, rows, batch):
        """By how much a removal made the model surer."""
        growth = confidence(reduced) - confidence(whole)
        if self.variant == "paper":
            mask = is_penalised(whole, reduced, batch.labels)
            return self.row_mean(mask * ops.relu(growth), rows)
        # Each replica's share of the hinge of the whole sum.
        share = ops.sum(rows * growth)
        total = self.sum_over_replicas(ops.stop_gradient(share))
        return ops.where(total > 0, share, ops.zeros_like(share))

    def get_config(self):
        return {
            **super().get_config(),
            "lam": self.lam,
            "seed": self.seed,
            "variant": self.variant,
        }
