"""DOMFN: a divergence-orientated multi-modal fusion network.

Yang, Zhang, Gao, Zheng, Guo, "DOMFN: A Divergence-Orientated Multi-Modal
Fusion Network for Resume Assessment", ACM MM 2022,
doi 10.1145/3503161.3548203. Modalities are fused for the samples on which
their own predictions do not diverge too much.

    o^m  = sigmoid(u^m), o^F = sigmoid(f)                     `(batch, C)`
    c_m  = CE(o^m, y), c_F = CE(o^F, y)                       `(batch,)`
    P_m  = max_c (o^m_c - mean_n o^n_c)^2                     `(batch,)`
    g    = 1 where P_m / tau < gamma for all m, else 0
    L_m  = c_m^2 / 2 - eta P_m,    L_F = sum_m c_m + c_F
    L    = mean_i g_i (sum_m L_m + L_F) + (1 - g_i) sum_m c_m
    prediction: o^F where g = 1, else the o^m with the largest maximum

u^m are the logits of a dedicated linear head and f those of the fusion, a
small network on the concatenated features. The first epochs train the heads
and encoders alone, on sum_m c_m.

This is what the authors' code computes; of the paper's text there is no other
source here. CE is that of a softmax applied to o, which are sigmoids already:
it cannot fall below log(1 + (C - 1) / e). What the model returns and what its
metrics see is o, in (0, 1), to be read as logits by a loss.

The code takes one sample at a time and an optimizer per network; here g is a
weight per row, and the optimizer is the one given to `compile`, which may be a
`keras_balance.optimizers.PerModality` of one for each modality and one for the
fusion. A step in which no row is fused gives the fusion a gradient of zero.

P_m is at most ((M - 1) / M)^2. With two modalities and tau 0.5 that is below
gamma: every row is fused. A smaller tau, 0.2 in the paper for resumes, lets
rows diverge.

Values: gamma 0.8, eta 0.5, tau 0.5 (CMU-MOSI, three modalities) or 0.2, and
30 or 15 epochs before the fusion.
"""

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.fusions.mid_mlp import MidMLP
from keras_balance.models import scores
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.checks import with_heads


def squashed(logits):
    """o, the sigmoid of logits."""
    # On TensorFlow, Keras notes at a sigmoid's output what it was taken of,
    # and its losses would read that. A product carries no such note.
    return 1.0 * ops.sigmoid(logits)


def divergences(probabilities, present=None):
    """P_m of every row.

    Args:
        probabilities: float32 `(M, batch, classes)`, o^m.
        present: None, or float32 `(M, batch)` of 0 and 1. Absent modalities
            are left out of the mean and diverge by 0.

    Returns:
        float32 `(M, batch)`.
    """
    if present is None:
        present = ops.ones_like(probabilities[:, :, 0])
    there = present[:, :, None]
    count = ops.maximum(ops.sum(there, axis=0, keepdims=True), 1.0)
    mean = ops.sum(there * probabilities, axis=0, keepdims=True) / count
    return present * scores.largest(ops.square(probabilities - mean))


def fused_rows(divergence, tau, gamma):
    """g: 1 where no modality diverges, 0 elsewhere.

    Args:
        divergence: float32 `(M, batch)`.
        tau: float above 0.
        gamma: float.

    Returns:
        float32 `(batch,)`, without a gradient.
    """
    agree = ops.all(ops.stop_gradient(divergence) / tau < gamma, axis=0)
    return ops.cast(agree, "float32")


def most_confident(probabilities, present=None):
    """The o^m with the largest maximum; the first one where there are two.

    Args:
        probabilities: float32 `(M, batch, classes)`.
        present: None, or float32 `(M, batch)` of 0 and 1.

    Returns:
        float32 `(batch, classes)`.
    """
    largest = ops.max(probabilities, axis=-1)
    if present is not None:
        largest = largest * present
    chosen = ops.argmax(largest, axis=0)
    one_hot = ops.one_hot(chosen, probabilities.shape[0], dtype="float32")
    return ops.einsum("bm,mbc->bc", one_hot, probabilities)


@keras.saving.register_keras_serializable("keras_balance")
class DOMFN(BalancedModel):
    """Fuses the samples on which the modalities do not diverge.

    One forward and one backward pass a step. The metric `fused` is the mean of
    g. Outputs, unimodal ones too, are sigmoids: see the module.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        pretrain_epochs: integer, the epochs without fusion.
        gamma: float, the divergence from which rows are not fused.
        eta: float, how much divergence is rewarded in fused rows.
        tau: float above 0, what divergence is divided by.
        fusion: a name or a `Fusion`; by default, or with None, a network
            with a hidden layer of 64 ReLU.
        **kwargs: further arguments of `keras_balance.MultimodalModel`;
            `heads` cannot be False.

    Raises:
        ValueError: for values other than these.
    """

    trains_heads = True

    def __init__(
        self,
        encoders,
        num_classes,
        pretrain_epochs=30,
        gamma=0.8,
        eta=0.5,
        tau=0.5,
        fusion=None,
        **kwargs,
    ):
        check_count("pretrain_epochs", pretrain_epochs, least=0)
        check_number("gamma", gamma)
        check_number("eta", eta)
        check_number("tau", tau, least=1e-6)
        super().__init__(
            encoders,
            num_classes,
            fusion=MidMLP(dropout=0.0) if fusion is None else fusion,
            phases=("pretrain", "train") if pretrain_epochs else ("train",),
            **with_heads(kwargs, "DOMFN"),
        )
        self.pretrain_epochs = pretrain_epochs
        self.gamma = gamma
        self.eta = eta
        self.tau = tau

    def on_epoch_begin(self, epoch, data):
        if len(self.phases) > 1:
            early = epoch < self.pretrain_epochs
            self.set_phase("pretrain" if early else "train")

    @property
    def predicts_own(self):
        # Before, rows may be given the prediction of an untrained fusion.
        return self.phase == "train"

    def epochs_before_own(self):
        return self.pretrain_epochs

    def moving_variables(self):
        variables = super().moving_variables()
        if self.phase == "train":
            return variables
        still = {id(v) for v in self.fusion.trainable_variables}
        return [v for v in variables if id(v) not in still]

    def combine(self, features, inputs, training=False):
        outputs = super().combine(features, inputs, training=training)
        outputs = outputs._replace(
            logits=squashed(outputs.logits),
            unimodal={k: squashed(u) for k, u in outputs.unimodal.items()},
        )
        # The loss of training needs o^F in every row.
        return outputs if training else self.chosen(outputs)

    def chosen(self, outputs):
        """`Outputs` with the prediction of each row.

        The same once more where it is applied to what it returned.
        """
        each, present = self.stacked(outputs)
        fused = fused_rows(divergences(each, present), self.tau, self.gamma)
        best = most_confident(each, present)
        logits = ops.where(fused[:, None] > 0, outputs.logits, best)
        return outputs._replace(logits=logits)

    def stacked(self, outputs):
        """o^m `(M, batch, classes)`, and presence `(M, batch)` or None."""
        each = ops.stack(list(outputs.unimodal.values()))
        if not outputs.present:
            return each, None
        everywhere = ops.ones_like(each[0, :, 0])
        marks = [outputs.present.get(m, everywhere) for m in self.modalities]
        return each, ops.stack(marks)

    def training_loss(self, outputs, batch):
        each, present = self.stacked(outputs)
        divergence = divergences(each, present)
        fused = fused_rows(divergence, self.tau, self.gamma)
        if self.phase == "pretrain":
            fused = ops.zeros_like(fused)
        # c_F, and what layers add to the loss.
        loss = self.compute_loss(
            batch.x,
            batch.y,
            outputs.logits,
            batch.weight * fused,
            training=True,
        )
        for i, name in enumerate(self.modalities):
            rows = self.own_weight(name, outputs, batch)
            cost = self.loss_object.call(batch.y, outputs.unimodal[name])
            extra = 0.5 * ops.square(cost) - self.eta * divergence[i]
            loss = loss + self.row_mean(cost + fused * extra, rows)
        self.track("fused", fused, batch.weight)
        return loss

    def step_logs(self, loss, outputs, batch):
        # Metrics see predictions.
        return super().step_logs(loss, self.chosen(outputs), batch)

    def _metric_names(self):
        return [*super()._metric_names(), "fused"]

    def get_config(self):
        return {
            **super().get_config(),
            "pretrain_epochs": self.pretrain_epochs,
            "gamma": self.gamma,
            "eta": self.eta,
            "tau": self.tau,
        }
