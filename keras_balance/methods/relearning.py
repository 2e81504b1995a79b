"""Diagnosing and re-learning: a soft reset of what has learned by heart.

Wei, Li, Feng, Hu, "Diagnosing and Re-learning for Balanced Multimodal
Learning", ECCV 2024, arXiv 2407.09705.

    P_m      = purity of K-means on the features z^m, C clusters
    w_m      = tanh(lambda |P_m(training) - P_m(validation)|)
    theta_m <- w_m theta_m^init + (1 - w_m) theta_m

z^m `(rows, dim)` are the features of all training, or all validation, rows in
evaluation mode, each dimension scaled to [-1, 1] over its set; C is the number
of classes, and the purity the share of rows whose class is the most frequent
in their cluster. A modality that separates the training data better than the
validation data has learned it by heart and is sent back towards its initial
weights, theta_m^init, so that the others may catch up. That happens after every
E-th epoch, n times at most; between, it is joint training.

The trainable parameters of the encoder are reset, BatchNormalization's scale
and shift among them; its running statistics, the optimizer's momentum, the
fusion and the heads go on as they are, as in the released code. Epochs are
counted from 0 there: the first reset follows epoch E, the (E + 1)-th. It
comes after that epoch's validation; here it is made when the next epoch
begins, so that callbacks keep the weights that were validated. The paper and
the code do not differ elsewhere.

Rows that lack a modality, or have weight 0, take no part in its purity.

Values: lambda 3, E 20 and n 3 on CREMA-D in 90 epochs.
"""

import keras
import numpy as np
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.mechanisms.snapshot import Snapshot
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.inference import read_features


def scaled(features):
    """Each column of `(rows, dim)` to [-1, 1]; constant ones to -1."""
    features = np.asarray(features, "float64")
    low = features.min(0)
    extent = features.max(0) - low
    return 2 * (features - low) / np.where(extent > 0, extent, 1.0) - 1


def purity(labels, clusters):
    """The share of rows with their cluster's most frequent class.

    Args:
        labels: integers `(rows,)`, at least one.
        clusters: integers `(rows,)`.
    """
    table = np.zeros((clusters.max() + 1, labels.max() + 1), "int64")
    np.add.at(table, (clusters, labels), 1)
    return float(table.max(1).sum() / len(labels))


def feature_purity(features, labels, num_classes):
    """The purity of K-means on features, NaN without a row.

    Args:
        features: floats `(rows, dim)`.
        labels: integers `(rows,)`.
        num_classes: integer, the number of clusters; fewer where there are
            fewer distinct rows.
    """
    from sklearn.cluster import KMeans

    if not len(labels):
        return np.nan
    features = scaled(features)
    count = min(num_classes, len(np.unique(features, axis=0)))
    means = KMeans(n_clusters=count, n_init=10, random_state=0)
    return purity(labels, means.fit_predict(features))


def reset_weights(training, validation, lam):
    """w_m from the two purities, `(M,)` each; 0 where one is NaN."""
    gap = np.abs(np.asarray(training) - np.asarray(validation))
    return np.tanh(lam * np.nan_to_num(gap))


@keras.saving.register_keras_serializable("keras_balance")
class ReLearning(BalancedModel):
    """Joint training with soft resets of the encoders that overfit.

    One forward and one backward pass a step. A reset costs one forward pass
    over the training and the validation data and 2 M K-means, with
    scikit-learn, on the host. Memory: a copy of the encoders. Any fusion will
    do. `<modality>_coefficient` is w_m in the epoch that begins with a reset,
    and 0 in others.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        lam: float, lambda, how strong a reset is.
        every: integer, E, the epochs from one reset to the next.
        resets: integer, n, how many there are at most.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these, and in `fit` without
            validation data.
        TypeError: in `fit`, for data that reading uses up.
    """

    needs_validation = True
    tracked = ("coefficient",)

    def __init__(
        self, encoders, num_classes, lam=3.0, every=20, resets=3, **kwargs
    ):
        check_number("lam", lam)
        check_count("every", every)
        check_count("resets", resets, least=0)
        super().__init__(encoders, num_classes, **kwargs)
        self.lam = lam
        self.every = every
        self.resets = resets

    def build(self, input_shape):
        super().build(input_shape)
        self.initial = {
            name: Snapshot(
                self,
                self.encoders[name].trainable_variables,
                f"initial_{name}",
            )
            for name in self.modalities
        }
        # Whether the initial weights are known, and the resets until now.
        self.taken = self.add_state("taken", dtype="int32")
        self.done = self.add_state("done", dtype="int32")
        # w_m of this epoch's reset.
        self.strength = self.add_state("strength", (len(self.modalities),))

    def on_epoch_begin(self, epoch, data):
        if not int(ops.convert_to_numpy(self.taken)):
            for snapshot in self.initial.values():
                snapshot.take()
            self.taken.assign(1)
        strength = np.zeros(len(self.modalities))
        done = int(ops.convert_to_numpy(self.done))
        last = epoch - 1
        if last > 0 and last % self.every == 0 and done < self.resets:
            strength = self.diagnose(data)
            self.reset(strength)
            self.done.assign(done + 1)
        self.strength.assign(strength.astype("float32"))

    def diagnose(self, data):
        """w_m from features of the training and the validation data."""
        purities = []
        for part in (data.training_batches(), data.validation_batches()):
            features, labels, weights = read_features(self, part)
            purities.append(
                [
                    feature_purity(
                        features[name][weights[name] > 0],
                        labels[weights[name] > 0],
                        self.num_classes,
                    )
                    for name in self.modalities
                ]
            )
        return reset_weights(*purities, self.lam)

    def reset(self, strength):
        """theta_m <- w_m theta_m^init + (1 - w_m) theta_m."""
        for name, w in zip(self.modalities, strength, strict=True):
            snapshot = self.initial[name]
            for v, initial in zip(
                snapshot.variables, snapshot.copies, strict=True
            ):
                first = ops.convert_to_numpy(initial)
                now = ops.convert_to_numpy(v)
                v.assign((w * first + (1 - w) * now).astype(now.dtype))

    def modulate(self, gradients, outputs, batch):
        strength = ops.convert_to_tensor(self.strength)
        for i, name in enumerate(self.modalities):
            self.track(f"{name}_coefficient", strength[i])
        return super().modulate(gradients, outputs, batch)

    def get_config(self):
        return {
            **super().get_config(),
            "lam": self.lam,
            "every": self.every,
            "resets": self.resets,
        }
