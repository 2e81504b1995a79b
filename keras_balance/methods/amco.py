"""AMCo: adaptive mask co-optimisation.

Zhou, Liang, Zheng, Xuan, Kumada, "Adaptive Mask Co-Optimization for Modal
Dependence in Multimodal Learning", ICASSP 2023,
doi 10.1109/ICASSP49357.2023.10096641.

    q^m   = mean_i sum_c s_i[m, c],  s_i = softmax([u^1_i; ...; u^M_i])
    d^m   = 1 where q^m > sigma in the step before, else 0
    N     = floor(p C),  p = sin(pi/2 min(eps, l) / eps)
    f     = W sum_m (mask^m * u^m) + b
    L     = CE(f, y) + sum_m CE(u^m, y)

u^m are the unimodal logits `(batch, C)`; q^m is the share of one softmax over
all of them that falls on modality m. A modality with the larger part, d^m = 1,
is one that the model depends on: N random classes of its logits are set to 0
before they are summed, the same for all rows of a batch. mask^m `(C,)` is 1
elsewhere and wherever d^m = 0. W is `(C, C)`. Nothing is masked in prediction.

l grows with the epochs, l = growth * epoch: no mask in epoch 0, half of the
classes in epoch 1, all of them from epoch 3 on, with the values below.

BalanceBenchmark's code (arXiv 2502.10816) is the only source that was read.
What it computes beside that (`variant="code"`): l starts from 0 in every epoch
and grows by growth * epoch with every batch, so that after three batches of
epoch 1 the whole modality is masked.

Values (IEMOCAP): eps 0.3, sigma 0.5, growth 0.1. With more than two
modalities none may reach a share of 0.5.
"""

import math

import keras
from keras import ops

from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.models import scores
from keras_balance.models.balanced import BalancedModel


def masked_fraction(level, epsilon):
    """p_t: the part of the classes that is masked, from 0 to 1.

    Args:
        level: float32 scalar, l.
        epsilon: float above 0, the level from which all are masked.
    """
    level = ops.minimum(ops.cast(level, "float32"), epsilon)
    return ops.sin(0.5 * math.pi * level / epsilon)


def class_masks(draws, fraction):
    """Masks with floor(p C) zeros each, at random classes.

    Args:
        draws: float32 `(M, C)`, the smallest being masked first.
        fraction: float32 scalar, p.

    Returns:
        float32 `(M, C)` of 0 and 1.
    """
    ranks = ops.argsort(ops.argsort(draws, axis=-1), axis=-1)
    # p may be a rounding error below the whole that it stands for.
    zeros = ops.floor(fraction * draws.shape[-1] + 1e-4)
    return ops.cast(ops.cast(ranks, "float32") >= zeros, "float32")


def shares(unimodal):
    """Each modality's part of one softmax over all logits.

    Args:
        unimodal: list of M float32 tensors `(batch, classes)`.

    Returns:
        float32 `(batch, M)`; rows sum to 1.
    """
    mass = ops.softmax(ops.concatenate(unimodal, axis=-1), axis=-1)
    return ops.sum(
        ops.reshape(mass, (-1, len(unimodal), unimodal[0].shape[-1])), axis=-1
    )


@keras.saving.register_keras_serializable("keras_balance")
class AMCo(BalancedModel):
    """Masks logits of the modality that the model depends on.

    One forward and one backward pass a step. `<modality>_share` is q^m and
    `masked_fraction` is p.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        sigma: float in [0, 1], the share from which a modality is masked.
        epsilon: float above 0, the level from which all classes are.
        growth: float, by how much the level grows; 0 masks nothing.
        seed: integer or None, of the masks.
        variant: "paper", or "code" for what BalanceBenchmark does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`; the
            fusion must be a sum of unimodal logits, and there are no heads.

    Raises:
        ValueError: for values other than these.
    """

    tracked = ("share",)

    def __init__(
        self,
        encoders,
        num_classes,
        sigma=0.5,
        epsilon=0.3,
        growth=0.1,
        seed=None,
        variant="paper",
        **kwargs,
    ):
        check_number("sigma", sigma, most=1)
        check_number("epsilon", epsilon, least=1e-6)
        check_number("growth", growth)
        check_variant(variant)
        super().__init__(encoders, num_classes, **kwargs)
        if self.heads or not self.fusion.splits:
            raise ValueError(
                "AMCo masks parts of a sum of unimodal logits: use "
                "fusion='concat' or 'sum', without heads. Received: "
                f"{type(self.fusion).__name__}, heads={bool(self.heads)}"
            )
        self.sigma = sigma
        self.epsilon = epsilon
        self.growth = growth
        self.seed = seed
        self.variant = variant
        self.generator = keras.random.SeedGenerator(seed)
        self.mixer = keras.layers.Dense(
            num_classes, dtype="float32", name="mixer"
        )
        # d^m, what the last step found.
        self.dependent = self.add_state("dependent", (len(self.modalities),))
        self.batches_seen = self.add_state("batches_seen", dtype="int32")

    def build(self, input_shape):
        super().build(input_shape)
        if not self.mixer.built:
            self.mixer.build((None, self.num_classes))

    def on_epoch_begin(self, epoch, data):
        self.batches_seen.assign(0)

    def draw(self):
        """Random numbers that order the classes, `(M, C)`."""
        shape = (len(self.modalities), self.num_classes)
        return keras.random.uniform(shape, seed=self.generator)

    def fraction(self):
        """p of this step."""
        level = self.growth * ops.cast(self.epoch, "float32")
        if self.variant == "code":
            level = level * ops.cast(self.batches_seen, "float32")
        return masked_fraction(level, self.epsilon)

    def combine(self, features, inputs, training=False):
        outputs = super().combine(features, inputs, training=training)
        logits = list(outputs.unimodal.values())
        if training and len(logits) > 1:
            masks = class_masks(self.draw(), self.fraction())
            dependent = ops.convert_to_tensor(self.dependent)
            masks = 1.0 - dependent[:, None] * (1.0 - masks)
            logits = [masks[i] * u for i, u in enumerate(logits)]
        return outputs._replace(logits=self.mixer(sum(logits)))

    def training_loss(self, outputs, batch):
        loss = super().training_loss(outputs, batch)
        for name in self.modalities:
            loss = loss + self.unimodal_loss(name, outputs, batch)
        return loss

    def modulate(self, gradients, outputs, batch):
        self.track("masked_fraction", self.fraction())
        rows = scores.complete_rows(outputs, batch)
        parts = shares(list(outputs.unimodal.values()))
        total = self.sum_over_replicas(ops.sum(rows[:, None] * parts, axis=0))
        weight = self.sum_over_replicas(ops.sum(rows))
        mean = total / ops.maximum(weight, 1e-8)
        for i, name in enumerate(self.modalities):
            self.track(f"{name}_share", mean[i], weight)
        # Without a complete row there is nothing to compare.
        known = ops.copy(ops.convert_to_tensor(self.dependent))
        found = ops.cast(mean > self.sigma, "float32")
        self.dependent.assign(ops.where(weight > 0, found, known))
        self.batches_seen.assign(ops.add(self.batches_seen, 1))
        return super().modulate(gradients, outputs, batch)

    def _metric_names(self):
        return [*super()._metric_names(), "masked_fraction"]

    def get_config(self):
        return {
            **super().get_config(),
            "sigma": self.sigma,
            "epsilon": self.epsilon,
            "growth": self.growth,
            "seed": self.seed,
            "variant": self.variant,
        }
