"""ARL: asymmetric representation learning.

Wei, Luo, Luo, "Improving Multimodal Learning via Imbalanced Learning", ICCV
2025, arXiv 2507.10203.

    a_m = mean_i sum_c |u^m_ic|,            share_m = a_m / sum_n a_n
    E_m = mean_i H(softmax(u^m_i)),         H_m = max(E_m / sum_n E_n, 0.3)
    v_m = (1 / H_m) / sum_n (1 / H_n)
    w   = softmax_m(T (1 - share_m) v_m)
    g_m <- (1 + w_m) g_m
    L   = CE(f, y) + gamma sum_m CE(u^m, y)

f and u^m `(batch, classes)` are the fused and the unimodal logits, H an
entropy and g_m the gradient of the encoder of modality m. The least error is
not that of equal modalities, but of a dependence on each that is inverse to
the variance of its predictions, which the entropy stands for: a modality is
sped up where it is sure and the prediction depends little on it. The unimodal
losses, the bias of each modality, add no parameters.

In the first epochs w_m is 1 / M and gamma is 1.

The equations are of two modalities; for more, 1 - share_m is divided by M - 1
and the least H_m is 0.6 / M, ours, which are the same for two. In the released
code the weights are computed and never reach the encoders; it does not run as
it is, and there is no variant for it.

Values: T 8, gamma 4, the first 6 epochs without weights; SGD 1e-3, momentum
0.9, decay 1e-4, gradients clipped to norm 40, 100 epochs.
"""

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.mechanisms.modulated import ModulatedModel
from keras_balance.models import scores

LAST = 2**31 - 1


def parts(values):
    """Each value's part of their sum, `(M,)`; 1 / M where all are 0."""
    total = ops.sum(values)
    usual = values / ops.where(total > 0, total, 1.0)
    return ops.where(total > 0, usual, 1.0 / values.shape[0])


def dependence_weights(sizes, entropies, temperature):
    """w, by how much each encoder is sped up.

    Args:
        sizes: float32 `(M,)`, a_m, at least two.
        entropies: float32 `(M,)`, E_m.
        temperature: float, T; 0 gives 1 / M to each.

    Returns:
        float32 `(M,)`, with the sum 1.
    """
    count = sizes.shape[0]
    certainty = parts(1.0 / ops.maximum(parts(entropies), 0.6 / count))
    missing = (1.0 - parts(sizes)) / (count - 1)
    return ops.softmax(temperature * missing * certainty)


def entropy(logits):
    """H(softmax(u_i)), float32 `(batch,)`."""
    log_p = ops.log_softmax(logits, axis=-1)
    return -ops.sum(ops.exp(log_p) * log_p, axis=-1)


@keras.saving.register_keras_serializable("keras_balance")
class ARL(ModulatedModel):
    """Speeds up encoders that are sure and that little depends on.

    One forward and one backward pass a step. `<modality>_coefficient` is
    1 + w_m, and `<modality>_loss` CE(u^m, y).

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        temperature: float, T, how far the weights are from equal.
        gamma: float, what the unimodal losses are multiplied by.
        warmup_epochs: integer, the first epochs, with equal weights.
        apply_to: "gradient" or "update", see
            `keras_balance.mechanisms.modulated.ModulatedModel`.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these, and for a fusion without
            unimodal logits where `heads` is False.
    """

    tracked = ("coefficient", "loss")
    trains_heads = True

    def __init__(
        self,
        encoders,
        num_classes,
        temperature=8.0,
        gamma=4.0,
        warmup_epochs=6,
        apply_to="gradient",
        **kwargs,
    ):
        check_number("temperature", temperature)
        check_number("gamma", gamma)
        check_count("warmup_epochs", warmup_epochs, least=0)
        super().__init__(encoders, num_classes, apply_to=apply_to, **kwargs)
        self.temperature = temperature
        self.gamma = gamma
        self.warmup_epochs = warmup_epochs

    def active(self):
        return self.in_epochs((self.warmup_epochs, LAST))

    def training_loss(self, outputs, batch):
        loss = super().training_loss(outputs, batch)
        if len(self.modalities) < 2:
            return loss
        own = sum(
            self.unimodal_loss(name, outputs, batch) for name in self.modalities
        )
        return loss + ops.where(self.active(), self.gamma, 1.0) * own

    def step_coefficients(self, outputs, batch):
        _, weight = self.scores(outputs, batch)
        count = len(self.modalities)
        if count < 2:
            return ops.ones((1,))
        rows = scores.complete_rows(outputs, batch)
        sums = []
        for logits in outputs.unimodal.values():
            u = ops.cast(ops.stop_gradient(logits), "float32")
            sums.append(ops.sum(rows * ops.sum(ops.abs(u), axis=-1)))
            sums.append(ops.sum(rows * entropy(u)))
        sums = self.sum_over_replicas(ops.stack(sums))
        means = ops.reshape(sums / ops.maximum(weight, 1e-8), (count, 2))
        w = dependence_weights(means[:, 0], means[:, 1], self.temperature)
        usable = ops.logical_and(self.active(), weight > 0)
        # Half precision may overflow, and then skips the step.
        usable = ops.logical_and(usable, ops.all(ops.isfinite(w)))
        return 1.0 + ops.where(usable, w, 1.0 / count)

    def factors(self, coefficients, variables):
        return self.encoder_factors(coefficients, variables)

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "gamma": self.gamma,
            "warmup_epochs": self.warmup_epochs,
        }
