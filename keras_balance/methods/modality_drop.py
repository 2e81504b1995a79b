"""Modality-Drop: training in which a modality is missing at times.

No single paper: Neverova, Wolf, Taylor, Nebout, "ModDrop: Adaptive Multi-Modal
Gesture Recognition", TPAMI 2016, arXiv 1501.00102, and the DropPathway of Xiao,
Lee, Grauman, Malik, Feichtenhofer, "Audiovisual SlowFast Networks for Video
Recognition", arXiv 2001.08740.

    r^m ~ Bernoulli(1 - p_m),  z~^m = r^m z^m,  L = CE(fuse(z~), y)

z^m `(batch, dim)` are the features of modality m, p_m its rate, and r^m one
draw for a batch or one for each row. Where r^m = 0 the encoder of m and its
weights in a linear fusion get no gradient. The encoder still runs: its
BatchNormalization statistics follow every row. In prediction nothing is
dropped.

A row never loses all of its modalities: where every draw says so, one of them,
any with equal chance, is kept. With `rescale` kept features are divided by the
probability of being kept, which makes the mean of z~^m that of z^m:

    P(r^m = 1) = 1 - p_m + prod_j p_j / M

that is 1 - p_m where one modality is never dropped.

The code of OGM-GE drops one modality at rate 0.5, a draw for a batch, with
rescaling: `ModalityDrop(..., rate={"audio": 0.5}, rescale=True)`, listed in its
tables as "Modality-Drop (audio)".
"""

import math

import keras
from keras import ops

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_number
from keras_balance.models.balanced import BalancedModel

EPSILON = 1e-8


def kept(draws, rates, present):
    """r^m: which modalities are kept.

    Args:
        draws: float32 `(rows, M)`, uniform in [0, 1).
        rates: list of M floats, p_m.
        present: float32 `(rows, M)` of 0 and 1, or with 1 row for all.

    Returns:
        float32 `(rows, M)` of 0 and 1. At least one present modality is kept
        in each row that has any.
    """
    rates = ops.convert_to_tensor(rates, dtype="float32")
    keep = ops.cast(draws >= rates, "float32") * ops.ones_like(present)
    # Given that all are dropped, each draws / rate is uniform in [0, 1): the
    # largest names any of them with equal chance, without a further draw.
    order = (draws / ops.maximum(rates, EPSILON) + 1.0) * present
    count = rates.shape[0]
    saved = ops.one_hot(ops.argmax(order, axis=-1), count, dtype="float32")
    none_left = ops.sum(keep * present, axis=-1, keepdims=True) == 0
    return ops.where(none_left, saved, keep)


def keep_probabilities(rates):
    """P(r^m = 1) for rates p_m of M modalities: a list of floats."""
    rescue = math.prod(rates) / len(rates)
    return [1.0 - rate + rescue for rate in rates]


@keras.saving.register_keras_serializable("keras_balance")
class ModalityDrop(BalancedModel):
    """Drops whole modalities at random while it trains.

    One forward and one backward pass a step, and M uniform draws for a batch
    or for each row. Any fusion will do. Adds no metrics; accuracies and scores
    of a modality are of its features before anything is dropped.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        rate: float in [0, 1], the probability that a modality is dropped, or
            a dict by modality, 0 for those it does not name.
        per: "batch" for one draw per batch, "sample" for one per row.
        rescale: boolean, whether kept features are divided by the probability
            of being kept.
        seed: integer or None, seed of the draws.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
    """

    def __init__(
        self,
        encoders,
        num_classes,
        rate=0.5,
        per="batch",
        rescale=False,
        seed=None,
        **kwargs,
    ):
        check_choice("per", per, ("batch", "sample"))
        super().__init__(encoders, num_classes, **kwargs)
        self.rates = _rates(rate, self.modalities)
        self.rate = rate
        self.per = per
        self.rescale = bool(rescale)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def combine(self, features, inputs, training=False):
        if not training or len(self.modalities) < 2:
            return super().combine(features, inputs, training=training)
        masks = self.masks(features, inputs)
        dropped = {
            name: features[name]
            * ops.cast(masks[:, i : i + 1], features[name].dtype)
            for i, name in enumerate(self.modalities)
        }
        outputs = super().combine(dropped, inputs, training=training)
        # What is shown of a modality is of what its encoder found.
        return outputs._replace(
            features=features, unimodal=self.unimodal_logits(features)
        )

    def masks(self, features, inputs):
        """What multiplies the features, `(rows, M)`; one row for a batch."""
        first = features[self.modalities[0]]
        rows = 1 if self.per == "batch" else ops.shape(first)[0]
        present = ops.ones((1, len(self.modalities)), dtype="float32")
        marks = self.presence(inputs)
        if marks:
            everywhere = ops.ones_like(next(iter(marks.values())))
            present = ops.stack(
                [marks.get(name, everywhere) for name in self.modalities],
                axis=-1,
            )
        keep = kept(self.draws(rows), self.rates, present)
        if self.rescale:
            keep = keep / ops.maximum(
                ops.convert_to_tensor(
                    keep_probabilities(self.rates), dtype="float32"
                ),
                EPSILON,
            )
        return keep

    def draws(self, rows):
        """Uniform draws `(rows, M)`, the only ones of a step."""
        return keras.random.uniform(
            (rows, len(self.modalities)), seed=self.seed_generator
        )

    def get_config(self):
        return {
            **super().get_config(),
            "rate": self.rate,
            "per": self.per,
            "rescale": self.rescale,
            "seed": self.seed,
        }


def _rates(rate, modalities):
    """Checked rates, a list in the order of the modalities."""
    if not isinstance(rate, dict):
        check_number("rate", rate, most=1)
        return [float(rate)] * len(modalities)
    unknown = sorted(set(rate) - set(modalities))
    if unknown:
        raise ValueError(
            f"rate must name modalities of {list(modalities)}. Received: "
            f"rate for {unknown}"
        )
    for value in rate.values():
        check_number("rate", value, most=1)
    return [float(rate.get(name, 0.0)) for name in modalities]
