"""OPM: on-the-fly prediction modulation.

Wei, Hu, Du, Wen, "On-the-fly Modulation for Balanced Multimodal Learning",
T-PAMI 2024, arXiv 2410.11582.

    s^m   = sum_i softmax(u^m_i)[y_i]                score of modality m
    rho^m = s^m / s^other                            discrepancy ratio
    e_m   = tanh(max(rho^m - 1, 0))
    q_m   = clip(q_base (1 + lambda e_m), 0, 1) if e_m > 0, else 0
    r^m_i ~ Bernoulli(1 - q_m),  z~^m_i = r^m_i z^m_i / (1 - q_m)
    L     = CE(fuse(z~), y)

u^m `(batch, classes)` are the unimodal logits of the whole features z^m
`(batch, dim)`, q_m the probability with which a row loses the features of the
stronger modality. A batch is modulated with probability p_exe, after a warm-up.
With more than two modalities rho^m is the mean of s^m / s^j over the others,
as in OGM.

Where the released code differs (`variant="code"`): the kept features of every
modality are divided by the same 1 - theta, theta = sum_m d_m q_m / sum_m d_m
with d_m the width of z^m, so that their mean is no longer z^m.

Rows that have lost every modality are taken out of the batch by the code. The
weakest modality is never dropped, so these are rows without it; here they get
weight 0, and the loss is the mean of the others. The code skips a batch of
such rows alone; here its gradient is 0.

Values: q_base 0.5, lambda 0.5 and p_exe 0.7 on Kinetics-Sounds (by default
0.4 and 0.5 in the code's two places), and a warm-up of 6 epochs.
"""

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.methods.ogm import discrepancy_ratios
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.balanced import Update
from keras_balance.models.multimodal import Outputs

EPSILON = 1e-8


def drop_probabilities(totals, q_base, lam):
    """q_m from the scores.

    Args:
        totals: float32 `(M,)`, at least two, none negative.
        q_base: float in [0, 1].
        lam: float, at least 0.

    Returns:
        float32 `(M,)`, in [0, 1]; 0 for the weakest, and where all scores are
        equal or 0.
    """
    excess = ops.tanh(ops.relu(discrepancy_ratios(totals) - 1.0))
    q = ops.clip(q_base * (1.0 + lam * excess), 0.0, 1.0)
    return ops.where(excess > 0, q, ops.zeros_like(q))


def feature_factors(q, dims, variant="paper"):
    """What multiplies the kept features of each modality.

    Args:
        q: float32 `(M,)`, drop probabilities.
        dims: list of M integers, the widths of the features.
        variant: "paper" or "code".

    Returns:
        float32 `(M,)`.
    """
    if variant == "code":
        share = ops.convert_to_tensor(
            [dim / sum(dims) for dim in dims], dtype="float32"
        )
        q = ops.sum(share * q) * ops.ones_like(q)
    return 1.0 / ops.maximum(1.0 - q, EPSILON)


@keras.saving.register_keras_serializable("keras_balance")
class OPM(BalancedModel):
    """Drops the stronger modality's features, by how much stronger it is.

    One forward and one backward pass of the encoders a step, and M uniform
    draws a row. `<modality>_drop_probability` is q_m, 0 in batches that are
    not modulated. Accuracies and scores are of the whole features, the
    model's own metrics of what the loss saw.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        q_base: float in [0, 1], the least probability of the stronger.
        lam: float, lambda, how much the probability grows with the ratio.
        p_exe: float in [0, 1], the probability that a batch is modulated.
        warmup_epochs: integer, how many epochs come first without modulation.
        variant: "paper", or "code" for what the authors' code does.
        seed: integer or None, seed of the draws.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these, and for a fusion without
            unimodal logits where `heads` is False.
    """

    needs_unimodal_logits = True
    tracked = ("drop_probability",)

    def __init__(
        self,
        encoders,
        num_classes,
        q_base=0.5,
        lam=0.5,
        p_exe=0.7,
        warmup_epochs=6,
        variant="paper",
        seed=None,
        **kwargs,
    ):
        check_number("q_base", q_base, most=1)
        check_number("lam", lam)
        check_number("p_exe", p_exe, most=1)
        check_count("warmup_epochs", warmup_epochs, least=0)
        check_variant(variant)
        super().__init__(encoders, num_classes, **kwargs)
        self.q_base = q_base
        self.lam = lam
        self.p_exe = p_exe
        self.warmup_epochs = warmup_epochs
        self.variant = variant
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def training_pass(self, batch):
        features = {
            name: self.encode(name, batch.x, training=True)
            for name in self.modalities
        }
        whole = Outputs(
            features,
            self.unimodal_logits(features),
            None,
            self.presence(batch.x),
        )
        masks, factors, weight = self.modulation(whole, batch)
        seen = {
            name: features[name]
            * ops.cast(masks[:, i : i + 1] * factors[i], features[name].dtype)
            for i, name in enumerate(self.modalities)
        }
        outputs = self.combine(seen, batch.x, training=True)
        loss = self.compute_loss(
            batch.x, batch.y, outputs.logits, weight, training=True
        )
        return loss, whole._replace(logits=outputs.logits)

    def modulation(self, outputs, batch):
        """What is done to the features and the rows of a batch.

        Returns:
            `(masks, factors, weight)`: float32 `(batch, M)` of 0 and 1,
            float32 `(M,)`, and the rows' weights `(batch,)`.
        """
        totals, weight = self.scores(outputs, batch)
        q = ops.zeros_like(totals)
        execute, draws = self.draws(ops.shape(batch.labels)[0])
        if len(self.modalities) > 1:
            active = self.in_epochs((self.warmup_epochs, 2**31 - 1))
            active = ops.logical_and(active, execute < self.p_exe)
            active = ops.logical_and(active, weight > 0)
            # Half precision may overflow, and then skips the step.
            active = ops.logical_and(active, ops.all(ops.isfinite(totals)))
            found = drop_probabilities(totals, self.q_base, self.lam)
            q = ops.where(active, found, q)
        for i, name in enumerate(self.modalities):
            self.track(f"{name}_drop_probability", q[i])
        masks = ops.cast(draws >= q, "float32")
        factors = feature_factors(q, self.feature_dims, self.variant)
        return masks, factors, self.survivors(masks, outputs, batch)

    def survivors(self, masks, outputs, batch):
        """Row weights: 0 where the masks left nothing, more elsewhere."""
        everywhere = ops.ones_like(masks[:, 0])
        present = ops.stack(
            [outputs.present.get(m, everywhere) for m in self.modalities],
            axis=-1,
        )
        had = ops.sum(present, axis=-1) > 0
        has = ops.sum(present * masks, axis=-1) > 0
        lost = ops.cast(ops.logical_and(had, ops.logical_not(has)), "float32")
        weight = batch.weight * (1.0 - lost)
        total = self.sum_over_replicas(ops.sum(weight))
        every = self.sum_over_replicas(ops.sum(batch.weight))
        return weight * (every / ops.maximum(total, EPSILON))

    def draws(self, rows):
        """Uniform draws: a scalar for the batch, and `(rows, M)`."""
        seed = self.seed_generator
        return (
            keras.random.uniform((), seed=seed),
            keras.random.uniform((rows, len(self.modalities)), seed=seed),
        )

    def modulate(self, gradients, outputs, batch):
        # The scores were taken before anything was dropped.
        return Update(gradients)

    def get_config(self):
        return {
            **super().get_config(),
            "q_base": self.q_base,
            "lam": self.lam,
            "p_exe": self.p_exe,
            "warmup_epochs": self.warmup_epochs,
            "variant": self.variant,
            "seed": self.seed,
        }
