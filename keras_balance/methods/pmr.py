"""PMR: prototypical modal rebalance.

Fan, Xu, Wang, Wang, Guo, "PMR: Prototypical Modal Rebalance for Multimodal
Learning", CVPR 2023, arXiv 2211.07089.

    P^m_ik  = softmax_k(-|z^m_i - c^m_k|)              nearest prototype
    rho     = sum_i P^1[i, y_i] / sum_i P^2[i, y_i]
    L^m_PCE = mean_i -log P^m[i, y_i],  H(P) = mean_i entropy of P_i
    w^1     = clip(1 / rho - 1, 0, 1) if rho < 1, else 0
    w^2     = clip(rho - 1, 0, 1) if rho >= 1, else 0
    L       = CE(f, y) + alpha (w^1 L^1_PCE + w^2 L^2_PCE)
              - mu (w^2 H(P^1) + w^1 H(P^2)),   mu = 0 after some epochs

z^m `(batch, dim)` are the features of modality m and c^m `(classes, dim)` its
prototypes: the class means over a part of the training data, computed before
each epoch, c <- eps c_old + (1 - eps) c_new (Eq. 12). The prototypical loss
(PCE) speeds up the slow modality, the entropy (PER) slows the fast one, early
in training. Neither moves the fusion. With more than two modalities, our
extension, rho^m = s^m / mean of the other s, w^m = clip(1 / rho^m - 1, 0, 1),
and PER, with the mean of the other modalities' w, acts on the best one alone.

Where the released code differs (`variant="code"`): the weight of the weaker
modality is 1, not clip(...); there is no PER. It takes the prototypes of AVE
from the validation split and of CG-MNIST from the test split; here they are
always of the training data. It acts in a window of epochs, 0 to 100 with both
ends included, the commands' 0 to 70.

Values: alpha 1 or 2 and mu 1e-2 or 1e-3 in the paper, 10 % of the training
data; alpha 3 (CREMA-D, FiLM) and 0.5 to 5 in the code's commands, eps 0.2 by
default there and 0 in its commands. The paper gives neither eps nor the number
of epochs with PER; 0.5 and 20 are our choice.
"""

import keras
import numpy as np
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.arguments import check_window
from keras_balance.models import scores
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.balanced import Update
from keras_balance.models.inference import read_features

EPSILON = 1e-12


def log_prototype_probabilities(features, prototypes):
    """log P: softmax of the negative Euclidean distances.

    Args:
        features: `(batch, dim)`.
        prototypes: `(classes, dim)`.

    Returns:
        float32 `(batch, classes)`.
    """
    features = ops.cast(features, "float32")
    squares = ops.square(features[:, None, :] - prototypes[None, :, :])
    # The root has no gradient where a feature equals its prototype.
    distances = ops.sqrt(ops.maximum(ops.sum(squares, axis=-1), EPSILON))
    return ops.log_softmax(-distances, axis=-1)


def pce_weights(totals, variant="paper"):
    """w^m, the weight of each modality's prototypical loss.

    Args:
        totals: float32 `(M,)`, sums of the true classes' probabilities.
        variant: "paper" or "code".

    Returns:
        float32 `(M,)`, in [0, 1]; 0 for the best modality.
    """
    rho = totals / ops.maximum(scores.mean_of_others(totals), EPSILON)
    weights = ops.clip(1.0 / ops.maximum(rho, EPSILON) - 1.0, 0.0, 1.0)
    if variant == "code":
        weights = ops.cast(weights > 0, "float32")
    # Where every score is 0 there is nothing to compare.
    return ops.where(ops.sum(totals) > 0, weights, ops.zeros_like(weights))


def per_weights(totals, weights):
    """Weight of each modality's entropy: that of the others, for the best."""
    # Not totals == max(totals): compiled, the two may be rounded apart.
    best = ops.one_hot(ops.argmax(totals), totals.shape[0], dtype="float32")
    return best * scores.mean_of_others(weights)


def class_means(features, labels, weight, old, known):
    """Prototypes from features; classes without a row keep theirs.

    Args:
        features: NumPy `(rows, dim)`.
        labels: integers `(rows,)`.
        weight: floats `(rows,)`.
        old: NumPy `(classes, dim)`, the prototypes until now.
        known: booleans `(classes,)`, which of them are of data.

    Returns:
        `(new, found)`: `(classes, dim)` and booleans `(classes,)`, the
        classes that have rows. Classes that are neither found nor known are
        given the mean of all rows.
    """
    one_hot = np.eye(len(old))[labels] * weight[:, None]
    total = one_hot.sum(0)
    found = total > 0
    sums = one_hot.T @ features
    means = sums / np.maximum(total, EPSILON)[:, None]
    overall = sums.sum(0) / max(total.sum(), EPSILON)
    fallback = np.where(known[:, None], old, overall)
    return np.where(found[:, None], means, fallback), found


@keras.saving.register_keras_serializable("keras_balance")
class PMR(BalancedModel):
    """Adds a loss of nearest prototypes for the slower modality.

    One forward and one backward pass a step, and one forward pass over
    `subset` of the training data before each epoch. Needs no unimodal logits:
    any fusion will do. `<modality>_score` is the mean probability that the
    prototypes give to the true class, `<modality>_coefficient` w^m.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        alpha: float, weight of the prototypical loss.
        mu: float, weight of the entropy in the first epochs.
        entropy_epochs: integer, how many epochs have the entropy term.
        subset: float in (0, 1], part of the training data for prototypes.
        momentum: float in [0, 1), eps, how much of a prototype is kept.
        window: `(first, last)` epochs in which the method acts, counted from
            0 and both included, or None for all.
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
        TypeError: in `fit`, for training data that reading uses up.
    """

    tracked = ("coefficient",)
    has_scores = True

    def __init__(
        self,
        encoders,
        num_classes,
        alpha=1.0,
        mu=0.01,
        entropy_epochs=20,
        subset=0.1,
        momentum=0.5,
        window=None,
        variant="paper",
        **kwargs,
    ):
        check_number("alpha", alpha)
        check_number("mu", mu)
        check_count("entropy_epochs", entropy_epochs, least=0)
        check_number("subset", subset, most=1)
        check_number("momentum", momentum, most=1)
        check_window(window)
        check_variant(variant)
        super().__init__(encoders, num_classes, **kwargs)
        self.alpha = alpha
        self.mu = mu
        self.entropy_epochs = entropy_epochs
        self.subset = subset
        self.momentum = momentum
        self.window = None if window is None else tuple(window)
        self.variant = variant

    def build(self, input_shape):
        super().build(input_shape)
        self.prototypes = {
            name: self.add_state(f"{name}_prototypes", (self.num_classes, dim))
            for name, dim in zip(
                self.modalities, self.feature_dims, strict=True
            )
        }
        # Which prototypes are means of data, by modality and class.
        self.known = self.add_state(
            "known", (len(self.modalities), self.num_classes)
        )

    def on_epoch_begin(self, epoch, data):
        features, labels, weights = read_features(
            self, data.training_batches(self.subset)
        )
        known = ops.convert_to_numpy(self.known) > 0
        for i, name in enumerate(self.modalities):
            old = ops.convert_to_numpy(self.prototypes[name])
            new, found = class_means(
                features[name], labels, weights[name], old, known[i]
            )
            keep = np.where(found & known[i], self.momentum, 0.0)[:, None]
            mixed = keep * old + (1 - keep) * new
            self.prototypes[name].assign(mixed.astype("float32"))
            known[i] |= found
        self.known.assign(known.astype("float32"))

    def training_loss(self, outputs, batch):
        loss = super().training_loss(outputs, batch)
        log_p = {
            name: log_prototype_probabilities(
                outputs.features[name], ops.convert_to_tensor(prototypes)
            )
            for name, prototypes in self.prototypes.items()
        }
        true = {
            name: ops.take_along_axis(value, batch.labels[:, None], axis=-1)
            for name, value in log_p.items()
        }
        weights, entropy_weights = self.loss_weights(true, outputs, batch)
        for i, name in enumerate(self.modalities):
            rows = self.own_weight(name, outputs, batch)
            pce = self.row_mean(-true[name][:, 0], rows)
            entropy = -ops.sum(ops.exp(log_p[name]) * log_p[name], axis=-1)
            per = self.row_mean(entropy, rows)
            loss = loss + weights[i] * pce - entropy_weights[i] * per
        return loss

    def loss_weights(self, true, outputs, batch):
        """What multiplies each modality's two losses: `(M,)` and `(M,)`.

        Args:
            true: dict by modality, `(batch, 1)`, log P of the true class.
            outputs: `Outputs`.
            batch: `Batch`.
        """
        rows = scores.complete_rows(outputs, batch)
        totals = ops.stack(
            [ops.sum(rows * ops.exp(p[:, 0])) for p in true.values()]
        )
        totals, weight = self.track_scores(
            ops.stop_gradient(totals), ops.sum(rows)
        )
        zeros = ops.zeros_like(totals)
        if len(self.modalities) < 2:
            return zeros, zeros
        active = ops.logical_and(self.in_epochs(self.window), weight > 0)
        weights = ops.where(active, pce_weights(totals, self.variant), zeros)
        for i, name in enumerate(self.modalities):
            self.track(f"{name}_coefficient", weights[i])
        if self.variant == "code" or self.entropy_epochs == 0:
            return self.alpha * weights, zeros
        early = self.in_epochs((0, self.entropy_epochs - 1))
        entropy = self.mu * per_weights(totals, weights)
        return self.alpha * weights, ops.where(early, entropy, zeros)

    def modulate(self, gradients, outputs, batch):
        # The scores of the step are those of the prototypes.
        return Update(gradients)

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "mu": self.mu,
            "entropy_epochs": self.entropy_epochs,
            "subset": self.subset,
            "momentum": self.momentum,
            "window": self.window,
            "variant": self.variant,
        }
