"""SMV: sample-level modality valuation, and resampling by it.

Wei, Feng, Wang, Hu, "Enhancing Multimodal Cooperation via Sample-level
Modality Valuation", CVPR 2024, arXiv 2309.06255.

Valuation. For one sample, with the features of all modalities outside S zero,

    v(S)  = |S| where the prediction is right, else 0;  v(nothing) = 0
    phi_m = sum_{S without m} |S|! (M - |S| - 1)! / M!  (v(S + m) - v(S))

phi_m is the Shapley value of modality m; sum_m phi_m = v(all). For M = 2,
phi_a = (v(a) + v(a, v) - v(v)) / 2, one of -0.5, 0, 0.5, 1 and 1.5.

Resampling. A modality that contributes little to a sample learns from copies
of it in which the features of all others are zero. Per sample, there are

    0 copies for phi_m >= 1, else 1 above 0.4, 2 above -0.1, and 3 below,

that is 0, 1, 2, 3 for phi_m = 1, 0.5, 0, -0.5. Per modality, with phibar_m
the mean of phi_m over a random part of the samples, there are

    floor(p_m n) copies, p_m = (2/3) alpha (max_k phibar_k - phibar_m),

of samples drawn with replacement, n being the number of samples. The loss is
CE(f, y), f `(batch, classes)` the fused logits, on samples and copies alike.

The paper has two modalities. The per-modality rule for more is ours: each one
is compared with the strongest. Here the copies of a modality keep it alone.

An epoch. In the paper its n samples and their r n copies are all passed, and
the epoch grows and shrinks with r, at most 4. Keras fixes the number of steps
when `fit` begins. Here n of those (1 + r) n are drawn without replacement: the
mixture is the paper's, an epoch takes 1 / (1 + r) of its steps, and (1 + r)
times as many are needed for as many updates. Until the first valuation an
epoch has every sample once.

The authors' code follows these equations. `variant="code"` is what
BalanceBenchmark (arXiv 2502.10816) has of them: v(S) = 1 where the prediction
is right. Samples that every modality gets right then have phi_m = 1 / M, and
are copied too.

Values: warm-up of 5 epochs, alpha 1, a fifth of the samples; Adam 5e-5, batches
of 64, 60 epochs, a tenth of the rate after 30 (Kinetics-Sounds).
"""

import math

import keras
import numpy as np
from keras import ops

from keras_balance import metrics
from keras_balance.arguments import check_choice
from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.methods.sample_valuation_data import Resampled
from keras_balance.methods.sample_valuation_data import unpacked
from keras_balance.models.absent import row_marks
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.inference import Forward
from keras_balance.models.inference import class_indices
from keras_balance.models.inference import forward_model
from keras_balance.models.structures import shapes_of

LEVELS = ("sample", "modality")


def coalitions(count):
    """Which modalities each non-empty subset has, booleans `(2^M - 1, M)`.

    Subset s, from 1, has modality m where bit m of s is set.
    """
    subsets = np.arange(1, 2**count)[:, None]
    return (subsets >> np.arange(count)) % 2 == 1


def benefits(right, present, variant="paper"):
    """v(S) of every sample and subset.

    Args:
        right: booleans `(rows, 2^M - 1)`, whether the prediction from each
            subset is right.
        present: booleans `(rows, M)`, the modalities that a sample has.
        variant: "paper", or "code" for v(S) = 1 instead of |S|.

    Returns:
        floats `(rows, 2^M - 1)`; modalities that a sample lacks add nothing.
    """
    sizes = present.astype("int64") @ coalitions(present.shape[1]).T
    if variant == "code":
        sizes = np.minimum(sizes, 1)
    return np.where(right, sizes, 0).astype("float64")


def shapley(values):
    """phi_m, `(rows, M)`, from v(S) of all non-empty subsets."""
    members = coalitions(int(math.log2(values.shape[1] + 1)))
    by_subset = {(): np.zeros(len(values))}
    for subset, value in zip(members, values.T, strict=True):
        by_subset[tuple(np.flatnonzero(subset))] = value
    phi = metrics.shapley(by_subset, range(members.shape[1]))
    return np.stack(list(phi.values()), axis=1)


def copies(phi):
    """How many copies a sample has for each modality, integers `(rows, M)`."""
    # Sums of fractions may be a rounding error below the whole.
    levels = [phi < 1 - 1e-6, phi <= 0.4, phi <= -0.1]
    return np.sum(levels, axis=0)


def copied_shares(means, alpha):
    """p_m, `(M,)`, from the mean values `(M,)`."""
    return 2 / 3 * alpha * (np.max(means) - np.asarray(means))


class Coalitions(Forward):
    """The class that is predicted from each subset, `(batch, 2^M - 1)`."""

    def call(self, x):
        return self.model.coalition_classes(x)


@keras.saving.register_keras_serializable("keras_balance")
class SampleValuation(BalancedModel):
    """Joint training, with copies of samples for modalities that lag.

    One forward and one backward pass a step, and at the beginning of every
    epoch after the warm-up a forward pass over the training data (per sample)
    or a part of it (per modality), with 2^M - 1 predictions from its features.
    Any fusion will do. Nothing is stored between epochs: a valuation follows
    from the weights, and the draw of an epoch from the model's random state
    and the epoch's number.

    `fit` reads the data row by row, in an order of its own: arrays, a torch
    `DataLoader` over a map-style data set, or such a data set itself. Those
    that are read by batches, a `keras.utils.PyDataset` or a grain
    `MapDataset`, must hold the same rows in the same batch in every epoch;
    their `on_epoch_begin` and `on_epoch_end` are not called, and the rows and
    copies of each batch are drawn among themselves. `tf.data`, generators and
    iterable data sets are refused. With `shuffle=False` rows keep their order.

    `<modality>_contribution` is the mean phi_m, 0 before the first valuation,
    and `<modality>_alone` the part of an epoch's rows that keeps the modality
    alone. Scores and unimodal accuracies are of rows that have a modality;
    loss and accuracy are of all.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        level: "sample" for copies by the values of each sample, "modality"
            for copies by their means.
        warmup_epochs: integer, the epochs without copies.
        alpha: float, how many copies there are per modality.
        part: float in (0, 1], the part of the data that is valued per
            modality.
        seed: integer or None, of what is drawn.
        variant: "paper", or "code" for v(S) = 1.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
        TypeError: in `fit`, for data whose rows cannot be indexed.
    """

    tracked = ("contribution", "alone")

    def __init__(
        self,
        encoders,
        num_classes,
        level="sample",
        warmup_epochs=5,
        alpha=1.0,
        part=0.2,
        seed=None,
        variant="paper",
        **kwargs,
    ):
        check_choice("level", level, LEVELS)
        check_count("warmup_epochs", warmup_epochs, least=0)
        check_number("alpha", alpha)
        check_number("part", part, least=1e-6, most=1)
        check_variant(variant)
        super().__init__(encoders, num_classes, **kwargs)
        self.level = level
        self.warmup_epochs = warmup_epochs
        self.alpha = alpha
        self.part = part
        self.seed = seed
        self.variant = variant
        self.generator = keras.random.SeedGenerator(seed)
        # The mean values that this epoch was drawn by.
        self.contribution = self.add_state(
            "contribution", (len(self.modalities),)
        )
        self.resampled = None

    # The data -----------------------------------------------------------------

    def training_data(self, data, arguments):
        shuffle = bool(arguments.get("shuffle", True))
        self.resampled = Resampled(data, self.modalities, shuffle)
        if not self.built:
            x, *_ = self.resampled[0]
            self.build(shapes_of(x))
        return {
            "x": self.resampled,
            "y": None,
            "sample_weight": None,
            "shuffle": False,
        }

    def on_epoch_begin(self, epoch, data):
        state = ops.convert_to_numpy(self.generator.state)
        seed = [*(int(number) for number in state), epoch]
        late = epoch >= self.warmup_epochs and len(self.modalities) > 1
        means, choice = np.zeros(len(self.modalities)), {}
        if late and self.level == "sample":
            means, choice = self.value_samples(data)
        elif late:
            means, choice = self.value_modalities(data, seed)
        self.contribution.assign(means.astype("float32"))
        self.resampled.draw(seed, **choice)

    def value_samples(self, data):
        """Mean values, and copies of every sample of every part."""
        source = self.resampled.source
        found = [[] for _ in range(source.parts)]
        totals = []
        for part, batch in source.batches():
            phi, present, weight = self.values(batch, data)
            # What a sample lacks, or that has no weight, is not learned.
            learned = present & (weight > 0)[:, None]
            found[part].append(np.where(learned, copies(phi), 0))
            totals.append((weight @ phi, weight.sum()))
        return _mean(totals), {"copies": [np.concatenate(p) for p in found]}

    def value_modalities(self, data, seed):
        """Mean values of some samples, and the parts to be copied."""
        rng = np.random.default_rng([*seed, 0])
        totals = []
        for batch in self.resampled.source.sample(self.part, rng):
            phi, _, weight = self.values(batch, data)
            totals.append((weight @ phi, weight.sum()))
        means = _mean(totals)
        return means, {"shares": copied_shares(means, self.alpha)}

    def values(self, batch, data):
        """phi, presence `(rows, M)` and weights `(rows,)` of a batch."""
        x, y, weight = unpacked(batch)
        if weight is None:
            weight = data.row_weights(y)
        found = forward_model(self, Coalitions).on_batch(x)
        labels = class_indices(y, self.num_classes)
        everywhere = np.ones(len(labels))
        marks = [x.get(f"{m}_present", everywhere) for m in self.modalities]
        present = np.stack([np.reshape(m, -1) > 0 for m in marks], axis=1)
        right = found == labels[:, None]
        phi = shapley(benefits(right, present, self.variant))
        return phi, present, np.reshape(weight, -1).astype("float64")

    def coalition_classes(self, inputs):
        """The classes predicted from the features of every subset."""
        features = {name: self.encode(name, inputs) for name in self.modalities}
        options = {"training": False} if self._fusion_trains else {}
        classes = []
        for members in coalitions(len(self.modalities)):
            shown = [
                z if shows else ops.zeros_like(z)
                for z, shows in zip(features.values(), members, strict=True)
            ]
            logits = self.fusion(shown, **options)
            classes.append(ops.argmax(logits, axis=-1))
        return ops.stack(classes, axis=1)

    # The step -----------------------------------------------------------------

    def combine(self, features, inputs, training=False):
        shown = {
            name: _shown(z, inputs.get(f"{name}_kept"))
            for name, z in features.items()
        }
        return super().combine(shown, inputs, training=training)

    def presence(self, inputs):
        present = super().presence(inputs)
        for name in self.modalities:
            if f"{name}_kept" in inputs:
                kept = row_marks(inputs[f"{name}_kept"])
                present[name] = kept * present.get(name, 1.0)
        return present

    def modulate(self, gradients, outputs, batch):
        means = ops.convert_to_tensor(self.contribution)
        for i, name in enumerate(self.modalities):
            self.track(f"{name}_contribution", means[i])
            alone = ops.zeros_like(batch.weight)
            if len(self.modalities) > 1 and f"{name}_kept" in batch.x:
                alone = ops.ones_like(batch.weight)
                for other in self.modalities:
                    kept = row_marks(batch.x[f"{other}_kept"])
                    alone = alone * (kept if other == name else 1.0 - kept)
            self.track(f"{name}_alone", alone, batch.weight)
        return super().modulate(gradients, outputs, batch)

    def get_config(self):
        return {
            **super().get_config(),
            "level": self.level,
            "warmup_epochs": self.warmup_epochs,
            "alpha": self.alpha,
            "part": self.part,
            "seed": self.seed,
            "variant": self.variant,
        }


def _mean(totals):
    """The mean of `(sum, weight)` pairs, 0 where there is no weight."""
    total = sum(one for one, _ in totals)
    return total / max(sum(weight for _, weight in totals), 1e-8)


def _shown(features, kept):
    """Zero in the rows that do not keep the modality."""
    if kept is None:
        return features
    keep = ops.reshape(ops.cast(kept, "bool"), (-1, 1))
    return ops.where(keep, features, ops.zeros_like(features))
