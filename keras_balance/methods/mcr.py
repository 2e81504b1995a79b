"""MCR: the multimodal competition regularizer.

Kontras, Strypsteen, Chatzichristos, Liang, Blaschko, De Vos, "Balancing
Multimodal Training Through Game-Theoretic Regularization", NeurIPS 2025, arXiv
2411.07335.

    L    = CE(f, y) + mu sum_m CE(u^m, y) + L_MIPD + c L_Con + b L_CEB
    J_m  = mean_i JS(softmax(f_i), softmax(f^m_i))
    grad_m L_MIPD = -lambda (grad_m J_m + k sum_{n != m} grad_m J_n)

f `(batch, classes)` are the fused logits, and f^m those with the features of
modality m permuted over the batch, of several permutations: JS, the
Jensen-Shannon divergence, is how much the prediction depends on what is unique
to m. grad_m is with respect to what only modality m has: its encoder and, in a
fusion that is a sum of unimodal logits, its part of the fusion and 1 / M of a
bias. Another fusion gets the sum of all players' terms. Every modality, a
player, raises its own J_m, and by its strategy k the others' J_n too (1,
collaborative), not at all (0, independent), or lowers them (-1, greedy).

    L_Con = mean_a 1 / |P_a| sum_{p in P_a} -log( exp(s_ap / t)
                                                / sum_{q != a} exp(s_aq / t) )
    L_CEB = mean_i |[h^1_i; ..; h^M_i] - g(f_i)|^2 / (sum_m dim_m)

L_Con, a supervised contrast, is over the features of all modalities and rows
as anchors a; s is a cosine and P_a are the other features of the same class.
L_CEB lets the features hold no more than g, two linear maps without bias and
ReLU between them, makes of the prediction; no gradient goes through f.

In the released code (`variant="code"`) the gradient of all J_n goes through
the unpermuted f to every modality, whatever the strategy; for k = -1 and two
modalities it cancels. It computes the features for the permuted predictions
again in evaluation mode, and its contrast is pair by pair against the features
of other classes (NT-Xent); neither is done here.

Values: lambda 0.01, c 1, 32 permutations, t 0.5, mu 1, batches of 32, greedy,
Adam 1e-4, encoders that were trained alone before (CREMA-D). The released
commands leave L_CEB out; its weight in the paper is unknown to us.
"""

import keras
from keras import ops

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.checks import with_heads

STRATEGIES = {"greedy": -1.0, "independent": 0.0, "collaborative": 1.0}
EPSILON = 1e-12


def divergence(one, other):
    """JS(softmax(one), softmax(other)), float32 `(batch,)`, at most log 2."""
    log_p = ops.log_softmax(one, axis=-1)
    log_q = ops.log_softmax(other, axis=-1)
    log_m = ops.logaddexp(log_p, log_q) - ops.log(2.0)
    left = ops.sum(ops.exp(log_p) * (log_p - log_m), axis=-1)
    right = ops.sum(ops.exp(log_q) * (log_q - log_m), axis=-1)
    return 0.5 * (left + right)


def permutations(draws, there):
    """Which row each row is given, in several permutations.

    Args:
        draws: float32 `(batch, samples)` in [0, 1).
        there: float32 `(batch,)` of 0 and 1; the rows that are 1 are permuted
            among themselves.

    Returns:
        int32 `(batch, samples)`.
    """
    absent = 2.0 * (1.0 - there)[:, None]
    order = ops.argsort(draws + absent, axis=0)
    # The rows that are there, in their order, are given those of `order`.
    index = ops.cumsum(ops.ones_like(draws), axis=0)
    size = 1.0 + ops.sum(ops.ones_like(there))
    rank = ops.argsort(ops.argsort(index + size * absent, axis=0), axis=0)
    return ops.cast(ops.take_along_axis(order, rank, axis=0), "int32")


def contrast(features, labels, weight, temperature):
    """L_Con of each anchor.

    Args:
        features: float32 `(anchors, dim)`.
        labels: int32 `(anchors,)`.
        weight: float32 `(anchors,)`, 0 for what is no anchor and compared
            with none.
        temperature: float, t.

    Returns:
        float32 `(anchors,)`, 0 for an anchor without another of its class.
    """
    # Features of absent rows are 0, where a square root has no gradient.
    squares = ops.sum(ops.square(features), axis=-1, keepdims=True)
    unit = features / ops.sqrt(ops.maximum(squares, EPSILON))
    alike = ops.matmul(unit, ops.transpose(unit)) / temperature
    index = ops.cumsum(ops.ones_like(labels))
    other = ops.not_equal(index[:, None], index[None, :])
    other = ops.logical_and(other, (weight > 0)[None, :])
    same = ops.equal(labels[:, None], labels[None, :])
    positive = ops.cast(ops.logical_and(other, same), "float32")
    log_p = ops.log_softmax(ops.where(other, alike, -1e9), axis=-1)
    count = ops.sum(positive, axis=-1)
    total = -ops.sum(positive * ops.where(other, log_p, 0.0), axis=-1)
    return total / ops.maximum(count, 1.0)


@keras.saving.register_keras_serializable("keras_balance")
class MCR(BalancedModel):
    """Joint training in which modalities compete for the prediction.

    One forward and one backward pass of the encoders a step, and of the fusion
    one for each modality and permutation, M times as many with a strategy
    other than "collaborative". Any fusion will do. `<modality>_divergence` is
    J_m and `<modality>_loss` CE(u^m, y). A batch of one has no permutation.

    Args:
        encoders: see `keras_balance.MultimodalModel`; their features must
            have one width, but for `contrastive=0`.
        num_classes: see `keras_balance.MultimodalModel`.
        strategy: "greedy", "independent" or "collaborative".
        lam: float, lambda, the weight of L_MIPD.
        contrastive: float, c, the weight of L_Con.
        bottleneck: float, b, the weight of L_CEB.
        unimodal: float, mu, the weight of the unimodal losses.
        samples: integer, how many permutations there are.
        temperature: float above 0, t.
        seed: integer or None, of the permutations.
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`;
            `heads` cannot be False.

    Raises:
        ValueError: for values other than these, and for features of several
            widths.
    """

    tracked = ("divergence", "loss")
    trains_heads = True

    def __init__(
        self,
        encoders,
        num_classes,
        strategy="greedy",
        lam=0.01,
        contrastive=1.0,
        bottleneck=0.01,
        unimodal=1.0,
        samples=32,
        temperature=0.5,
        seed=None,
        variant="paper",
        **kwargs,
    ):
        check_choice("strategy", strategy, STRATEGIES)
        check_number("lam", lam)
        check_number("contrastive", contrastive)
        check_number("bottleneck", bottleneck)
        check_number("unimodal", unimodal)
        check_count("samples", samples)
        check_number("temperature", temperature, least=1e-6)
        check_variant(variant)
        super().__init__(encoders, num_classes, **with_heads(kwargs, "MCR"))
        self.strategy = strategy
        self.lam = lam
        self.contrastive = contrastive
        self.bottleneck = bottleneck
        self.unimodal = unimodal
        self.samples = samples
        self.temperature = temperature
        self.seed = seed
        self.variant = variant
        self.generator = keras.random.SeedGenerator(seed)
        self.guesser = None

    def build(self, input_shape):
        super().build(input_shape)
        dims = self.feature_dims
        if self.contrastive and len(set(dims)) > 1:
            raise ValueError(
                "MCR contrasts the features of all modalities, which must "
                f"have one width. Received: widths {dims}. End the encoders "
                "with Dense layers of as many units, or pass contrastive=0."
            )
        if self.bottleneck and self.guesser is None and len(dims) > 1:
            self.guesser = keras.Sequential(
                [
                    keras.layers.Dense(
                        max(dims), "relu", use_bias=False, dtype="float32"
                    ),
                    keras.layers.Dense(
                        sum(dims), use_bias=False, dtype="float32"
                    ),
                ],
                name="guesser",
            )
            self.guesser.build((None, self.num_classes))

    # The loss -----------------------------------------------------------------

    def training_loss(self, outputs, batch):
        loss = super().training_loss(outputs, batch)
        if len(self.modalities) < 2:
            return loss
        for name in self.modalities:
            own = self.unimodal_loss(name, outputs, batch)
            loss = loss + self.unimodal * own
        if self.lam:
            loss = loss + self.lam * self.competition(outputs, batch)
        if self.contrastive:
            loss = loss + self.contrastive * self.shared(outputs, batch)
        if self.bottleneck:
            loss = loss + self.bottleneck * self.excess(outputs, batch)
        return loss

    def draw(self, batch):
        """Random numbers that order the rows, `(batch, samples)`."""
        shape = (ops.shape(batch.labels)[0], self.samples)
        return keras.random.uniform(shape, seed=self.generator)

    def competition(self, outputs, batch):
        """L_MIPD / lambda: its gradients are those of the players."""
        features = {
            name: ops.cast(z, self.compute_dtype)
            for name, z in outputs.features.items()
        }
        draws = self.draw(batch)
        orders = {}
        for name in self.modalities:
            there = batch.weight * outputs.present.get(name, 1.0)
            there = ops.cast(there > 0, "float32")
            orders[name] = ops.reshape(permutations(draws, there), (-1,))
        k = STRATEGIES[self.strategy]
        players = list(self.modalities) if k != 1 else [None]
        total = 0.0
        for player in players:
            clean = self.fused(features, player)
            if self.variant == "code":
                clean = outputs.logits
            for name in self.modalities:
                share = 1.0 if player in (None, name) else k
                if not share:
                    continue
                value = self.dependence(
                    name, features, orders[name], clean, player, outputs, batch
                )
                total = total - share * value
                if player in (None, name):
                    rows = batch.weight * outputs.present.get(name, 1.0)
                    self.track(f"{name}_divergence", value, ops.sum(rows))
        return total

    def dependence(self, name, features, order, clean, player, outputs, batch):
        """J_m, with gradients for one player alone, or for all (None)."""
        permuted = {
            other: ops.take(z, order, axis=0)
            if other == name
            else ops.repeat(z, self.samples, axis=0)
            for other, z in features.items()
        }
        changed = self.fused(permuted, player)
        values = divergence(ops.repeat(clean, self.samples, axis=0), changed)
        values = ops.mean(ops.reshape(values, (-1, self.samples)), axis=1)
        return self.row_mean(values, self.own_weight(name, outputs, batch))

    def fused(self, features, player):
        """Float32 logits in which all but one player stand still."""
        given = [features[name] for name in self.modalities]
        free = [player in (None, name) for name in self.modalities]
        if self.fusion.splits and player is not None:
            logits = [
                u if moves else ops.stop_gradient(u)
                for u, moves in zip(self.fusion.split(given), free, strict=True)
            ]
            return ops.cast(sum(logits), "float32")
        given = [
            z if moves else ops.stop_gradient(z)
            for z, moves in zip(given, free, strict=True)
        ]
        options = {"training": True} if self._fusion_trains else {}
        return ops.cast(self.fusion(given, **options), "float32")

    def shared(self, outputs, batch):
        """L_Con."""
        features = [
            ops.cast(outputs.features[name], "float32")
            for name in self.modalities
        ]
        count = len(features)
        weights = [
            batch.weight * outputs.present.get(name, 1.0)
            for name in self.modalities
        ]
        values = contrast(
            ops.concatenate(features),
            ops.tile(batch.labels, [count]),
            ops.concatenate(weights),
            self.temperature,
        )
        return self.row_mean(values, ops.concatenate(weights))

    def excess(self, outputs, batch):
        """L_CEB."""
        guess = self.guesser(ops.stop_gradient(outputs.logits))
        total, start = 0.0, 0
        for name, dim in zip(self.modalities, self.feature_dims, strict=True):
            gap = ops.cast(outputs.features[name], "float32")
            gap = gap - guess[:, start : start + dim]
            start += dim
            values = ops.sum(ops.square(gap), axis=-1)
            rows = batch.weight * outputs.present.get(name, 1.0)
            total = total + self.row_mean(values, rows)
        return total / start

    def get_config(self):
        return {
            **super().get_config(),
            "strategy": self.strategy,
            "lam": self.lam,
            "contrastive": self.contrastive,
            "bottleneck": self.bottleneck,
            "unimodal": self.unimodal,
            "samples": self.samples,
            "temperature": self.temperature,
            "seed": self.seed,
            "variant": self.variant,
        }
