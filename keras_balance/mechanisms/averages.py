"""Predictions that are a weighted mean over the modalities of a row."""

from keras import ops

from keras_balance.models.multimodal import Outputs

AVERAGES = ("probabilities", "logits")
# The logarithm of a weight of 0.
NOTHING = -1e9


def stacked(unimodal, present):
    """Logits `(M, batch, classes)`, and presence `(M, batch)` or None.

    Args:
        unimodal: dict by modality, `(batch, classes)`.
        present: dict by modality, `(batch,)`, for those that are marked.
    """
    logits = ops.stack(list(unimodal.values()))
    if not present:
        return logits, None
    everywhere = ops.ones_like(logits[0, :, 0])
    marks = [present.get(name, everywhere) for name in unimodal]
    return logits, ops.stack(marks)


def row_weights(shares, present=None):
    """w of every row: what is given, divided among what a row has.

    Args:
        shares: float32 `(M,)`, not all 0.
        present: None, or float32 `(M, batch)` of 0 and 1.

    Returns:
        float32 `(M, 1)` or `(M, batch)`, with the sum 1 over the modalities;
        as for a whole row where nothing of any weight is present.
    """
    every = ops.convert_to_tensor(shares, "float32")[:, None]
    weights = every
    if present is not None:
        weights = every * present
        found = ops.sum(weights, axis=0, keepdims=True) > 0
        weights = ops.where(found, weights, every)
    return weights / ops.sum(weights, axis=0, keepdims=True)


def log_mean_probabilities(logits, weights):
    """log sum_m w_m softmax(u^m).

    Args:
        logits: float32 `(M, batch, classes)`.
        weights: float32 `(M, 1)` or `(M, batch)`, with the sum 1.

    Returns:
        float32 `(batch, classes)`.
    """
    some = weights > 0
    log_w = ops.log(ops.where(some, weights, ops.ones_like(weights)))
    log_w = ops.where(some, log_w, NOTHING)
    log_p = ops.log_softmax(logits, axis=-1)
    return ops.logsumexp(log_w[:, :, None] + log_p, axis=0)


class Averaging:
    """Predicts by a weighted mean over the modalities that a row has.

    Mixed into a `BalancedModel` whose fusion has `own_logits`. Its unimodal
    logits u^m are those of a modality alone; what it returns are, by `average`,

        "probabilities"  log sum_m w_m softmax(u^m)
        "logits"         sum_m w_m u^m

    with the weights `shares`, a dict by modality, or equal ones for None.
    """

    average = "probabilities"
    shares = None

    def unimodal_logits(self, features):
        return {
            name: self.fusion.own_logits(i, features[name])
            for i, name in enumerate(self.modalities)
        }

    def combine(self, features, inputs, training=False):
        unimodal = self.unimodal_logits(features)
        return self.averaged(features, unimodal, self.presence(inputs))

    def averaged(self, features, unimodal, present):
        """`Outputs` with the mean."""
        logits, marks = stacked(unimodal, present)
        weights = self.average_weights(logits, marks)
        if self.average == "probabilities":
            fused = log_mean_probabilities(logits, weights)
        else:
            fused = ops.sum(weights[:, :, None] * logits, axis=0)
        return Outputs(features, unimodal, fused, present)

    def average_weights(self, logits, marks):
        """w, `(M, 1)` or `(M, batch)`, of what `stacked` returns."""
        shares = [(self.shares or {}).get(m, 1.0) for m in self.modalities]
        return row_weights(shares, marks)
