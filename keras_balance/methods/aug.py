"""AUG: boosting the weak modality with more classifiers.

Jiang, Huang, Yang, "Rethinking Multimodal Learning from the Perspective of
Mitigating Classification Ability Disproportion", NeurIPS 2025, arXiv
2502.20120.

In every batch, for one modality m after the other, with n classifiers,

    z_k = H(relu(W_k h + b_k)),  k = 1 .. n
    u   = z_1 + .. + z_n,        o = z_1 + .. + z_{n-1}
    L   = CE(u, y) + CE(o, y) + CE(z_n, y - lambda y * softmax(o))
    L   = CE(u, y)  for n = 1

h `(batch, dim)` are the features of modality m, W_k `(dim, hidden)` and b_k
the map of a classifier, and H `(hidden, classes)` one linear head that all
modalities and classifiers share. The last term is the residual that boosting
leaves to the newest classifier, CE(z, t) = -sum_c t_c log softmax(z)_c, so
that it is (1 - lambda p) CE(z_n, y) with p the probability that o gives the
true class; no gradient goes through p. The encoder learns from all of it.

A modality starts with one classifier. After the first epoch, and then after
every E-th, the modality with the smaller score s_m, the sum of the true
class's probability under softmax(u) over the epoch, gets one more, unless it
is at least 1 - tau of the other's. It is added when the next epoch begins, so
that callbacks keep the weights that were validated. For more than two
modalities, ours, the smallest s_m is compared with the mean of the others.

    prediction: f = sum_m w_m u^m, over the modalities that a row has

The released code (`variant="code"`) adds classifiers after the optimizer was
given its variables: W_k and b_k of k > 1 stay as they were drawn.

Values: lambda 0.5 (0.2 in a comment of the code), E a tenth of all epochs, tau
0.01, hidden 256, w 0.4 for audio and 0.6 for visual (CREMA-D); SGD 1e-2,
momentum 0.9, decay 1e-4, a tenth of the rate after 70 epochs, batches of 64,
200 epochs.
"""

import keras
import numpy as np
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_shares
from keras_balance.arguments import check_variant
from keras_balance.engine import replicas
from keras_balance.fusions.shared import Shared
from keras_balance.mechanisms.averages import Averaging
from keras_balance.mechanisms.one_at_a_time import OneAtATime
from keras_balance.models import batch as batches
from keras_balance.models import scores
from keras_balance.models.multimodal import Outputs
from keras_balance.models.structures import symbolic


def ensemble(logits, count):
    """u, o and z_n of a modality.

    Args:
        logits: `(most, batch, classes)`, z_k of every classifier.
        count: int32 scalar, n, how many there are.

    Returns:
        Three tensors `(batch, classes)`; o is 0 for n = 1.
    """
    place = ops.arange(logits.shape[0])[:, None, None]
    before = ops.sum(ops.where(place < count - 1, logits, 0.0), axis=0)
    last = ops.sum(ops.where(place == count - 1, logits, 0.0), axis=0)
    return before + last, before, last


def weakest(sums, tolerance):
    """The modality that gets one more classifier, or None.

    Args:
        sums: floats `(M,)`, s_m of an epoch.
        tolerance: float, tau.
    """
    sums = np.asarray(sums, "float64")
    least = int(np.argmin(sums))
    others = np.delete(sums, least)
    if not len(others) or sums[least] >= (1 - tolerance) * others.mean():
        return None
    return least


@keras.saving.register_keras_serializable("keras_balance")
class AUG(Averaging, OneAtATime):
    """Trains the modalities in turn, the weak one with more classifiers.

    One forward and one backward pass a step, and M updates of the head. Each
    encoder with its classifiers has an optimizer of its own, and so has the
    head, which counts M steps a batch: a learning rate schedule passes M times
    as fast there. With accumulated gradients the head takes one step for all
    modalities. All classifiers that there may be are made at the start and
    run in every step; those that a modality does not have yet take no part
    and stand still.

    `loss` is the sum of the modalities' losses in training, and the loss of
    the prediction in validation. `<modality>_classifiers` is n.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        lam: float in [0, 1], lambda, how much of the residual is taken off.
        every: integer, E, the epochs from one classifier to the next.
        most: integer, how many classifiers a modality has at most.
        hidden: integer, the width between a classifier and the head.
        tolerance: float in [0, 1], tau.
        weights: dict from each modality to its weight in the prediction, or
            None for equal ones.
        fusion: "shared"; the method is defined for no other.
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
    """

    optimizer_per_modality = True
    head_in_every_turn = True
    average = "logits"
    tracked = ("classifiers",)

    def __init__(
        self,
        encoders,
        num_classes,
        lam=0.5,
        every=20,
        most=8,
        hidden=256,
        tolerance=0.01,
        weights=None,
        fusion="shared",
        variant="paper",
        **kwargs,
    ):
        check_number("lam", lam, most=1)
        check_count("every", every)
        check_count("most", most)
        check_count("hidden", hidden)
        check_number("tolerance", tolerance, most=1)
        check_variant(variant)
        if kwargs.get("heads"):
            raise ValueError(
                "AUG has classifiers of its own and has no use for heads. "
                "Received: heads=True"
            )
        super().__init__(encoders, num_classes, fusion=fusion, **kwargs)
        check_shares("weights", weights, self.modalities)
        if not isinstance(self.fusion, Shared):
            raise ValueError(
                "AUG needs one linear head for all modalities, "
                f"fusion='shared'. Received: {type(self.fusion).__name__}"
            )
        self.lam = lam
        self.every = every
        self.most = most
        self.hidden = hidden
        self.tolerance = tolerance
        self.shares = None if weights is None else dict(weights)
        self.variant = variant
        self.classifiers = {
            f"{name}/{k}": keras.layers.Dense(
                hidden, activation="relu", name=f"{name}_classifier_{k}"
            )
            for name in self.modalities
            for k in range(most)
        }
        count = len(self.modalities)
        self.counts = self.add_state("counts", (count,), "ones", "int32")
        # s_m of the epoch.
        self.sums = self.add_state("sums", (count,))

    def build(self, input_shape):
        # The head meets what the classifiers make of the features.
        if not self.fusion.built:
            self.fusion.build([(None, self.hidden)] * len(self.modalities))
        for name in self.modalities:
            shape = self.encoder_shape(name, input_shape[name])
            features = self.encoders[name](symbolic(shape))
            for classifier in self.classifiers_of(name):
                if not classifier.built:
                    classifier.build((None, features.shape[-1]))
        super().build(input_shape)

    def classifiers_of(self, name):
        """The layers W_k, b_k of a modality."""
        return [self.classifiers[f"{name}/{k}"] for k in range(self.most)]

    def variable_groups(self):
        *groups, rest = super().variable_groups()
        index = {id(v): i for i, v in enumerate(self.trainable_variables)}
        for i, name in enumerate(self.modalities):
            for layer in self.classifiers_of(name):
                own = [index[id(v)] for v in layer.trainable_variables]
                groups[i] = sorted([*groups[i], *own])
                rest = [place for place in rest if place not in own]
        return [*groups, rest]

    # More classifiers ---------------------------------------------------------

    def on_epoch_begin(self, epoch, data):
        last = epoch - 1
        if last == 0 or (last > 0 and (last + 1) % self.every == 0):
            chosen = weakest(ops.convert_to_numpy(self.sums), self.tolerance)
            if chosen is not None:
                counts = np.array(ops.convert_to_numpy(self.counts))
                counts[chosen] = min(counts[chosen] + 1, self.most)
                self.counts.assign(counts)
        self.sums.assign(np.zeros(len(self.modalities), "float32"))

    # Prediction ---------------------------------------------------------------

    def each(self, name, features):
        """z_k of every classifier, float32 `(most, batch, classes)`."""
        head = self.fusion.head
        found = [
            ops.cast(head(classifier(features)), "float32")
            for classifier in self.classifiers_of(name)
        ]
        return ops.stack(found)

    def parts(self, name, features):
        """u, o and z_n of a modality, and n."""
        counts = ops.convert_to_tensor(self.counts)
        count = counts[self.modalities.index(name)]
        return (*ensemble(self.each(name, features), count), count)

    def unimodal_logits(self, features):
        return {
            name: self.parts(name, features[name])[0]
            for name in self.modalities
        }

    # The step -----------------------------------------------------------------

    def balanced_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        features, unimodal, present, total = {}, {}, {}, 0.0
        for name in self.modalities:
            loss, outputs = self.learn_one(name, batch)
            total = total + loss
            features |= outputs.features
            unimodal |= outputs.unimodal
            present |= outputs.present
        outputs = self.averaged(features, unimodal, present)
        found, _ = self.scores(outputs, batch)
        # Half precision may overflow, and then skips the step.
        found = ops.where(ops.isfinite(found), found, 0.0)
        self.sums.assign(ops.add(self.sums, found))
        return self.step_logs(total, outputs, batch)

    def learn_one(self, name, batch):
        layers = [self.encoders[name], self.fusion.head]
        layers += self.classifiers_of(name)
        taught = layers[:3] if self.variant == "code" else layers
        variables = [v for one in taught for v in one.trainable_variables]

        def loss_fn():
            features = self.encode(name, batch.x, training=True)
            marks = self.presence(batch.x)
            marks = {k: v for k, v in marks.items() if k == name}
            u, *parts = self.parts(name, features)
            outputs = Outputs({name: features}, {name: u}, u, marks)
            loss = self.boosting_loss(name, outputs, parts, batch)
            own = [value for one in layers for value in one.losses]
            return loss + sum(own) / replicas(), outputs

        (loss,), outputs, (gradients,) = self.gradients(loss_fn, variables)
        self.track_gradient_norms(gradients, variables)
        inactive = self.inactive(name)
        before = [ops.copy(v.value) for v, _ in inactive]
        self.apply_gradients(gradients, variables)
        # No gradient moves them, but decay would.
        for (v, waits), old in zip(inactive, before, strict=True):
            v.assign(ops.where(waits, old, ops.convert_to_tensor(v)))
        return loss, outputs

    def boosting_loss(self, name, outputs, parts, batch):
        """CE(u), and for n > 1 those of the first n - 1 and the residual."""
        before, last, count = parts
        p = scores.true_class_probability(before, batch.labels)
        rest = 1.0 - self.lam * ops.stop_gradient(p)
        values = self.loss_object.call(batch.y, before)
        values = values + rest * self.loss_object.call(batch.y, last)
        rows = self.own_weight(name, outputs, batch)
        boosted = self.row_mean(values, rows)
        loss = self.unimodal_loss(name, outputs, batch)
        self.track(f"{name}_classifiers", ops.cast(count, "float32"))
        return loss + ops.where(count > 1, boosted, 0.0)

    def inactive(self, name):
        """Pairs of a classifier's variable and whether it is not there yet."""
        counts = ops.convert_to_tensor(self.counts)
        count = counts[self.modalities.index(name)]
        return [
            (v, k >= count)
            for k, layer in enumerate(self.classifiers_of(name))
            for v in layer.trainable_variables
            if k
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "lam": self.lam,
            "every": self.every,
            "most": self.most,
            "hidden": self.hidden,
            "tolerance": self.tolerance,
            "weights": None if self.shares is None else dict(self.shares),
            "variant": self.variant,
        }
