"""AGM: adaptive gradient modulation.

Li, Li, Hu, Lei, Li, Zhou, "Boosting Multi-modal Model Performance with Adaptive
Gradient Modulation", ICCV 2023, arXiv 2308.07686.

    phi^m = sum_{S without m} |S|! (M - |S| - 1)! / M! [f(S + m) - f(S)]
    s^m   = mean_i -log max(softmax(phi^m_i)[y_i], 1e-8)
    r^m   = exp( mean_{j != m} (s^j - s^m) ),  tau^m: the same of s_hat
    k^m   = exp( alpha min(tau^m - r^m, limit) )
    s_hat <- s_hat (t - 1) / t + s / t                      after the step
    gradient = sum_m k^m (d phi^m / d theta)^T dCE(f, y)/df

f(S) `(batch, classes)` are the logits where every modality outside S is zero
at its encoder's input; f(all) is the training pass, the others run without
dropout and by BatchNormalization's averages, with gradient. With f(no
modality) = 0 the responses phi^m add up to f(all). r > 1 means stronger than
the others; k compares that with its own running value and may exceed 1.

Encoders see one modality each, so a coalition needs no pass of its own: the
features of every encoder for its input and for zeros are enough, and the
fusion is run on each combination. That equals 2^M passes of the network.

Paper and code: the paper's Eq. 1 leaves the empty coalition out, its Eq. 3 for
two modalities keeps f(m), as the code does and as is done here; the order of
the scores in r is the code's, which suits their sign. Where the released code
differs (`variant="code"`): after the window it goes on with the last k, here
otherwise with 1; it clips the global norm of the gradient where an entry of the
head's exceeds a limit.

Values: alpha 1.5 (CREMA-D), 2.5 (AV-MNIST), 4 (UR-Funny); limit 10 (CREMA-D), 7
(UR-Funny), none elsewhere; clip 1, UR-Funny 5; all epochs.
"""

import itertools
import math

import keras
from keras import ops

from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.arguments import check_window
from keras_balance.engine import replicas
from keras_balance.methods.agm_zeros import EncodersAtZero
from keras_balance.models import scores
from keras_balance.models.balanced import Update

EXPONENT = 20.0


def shapley_responses(coalitions, count):
    """phi^m of every modality, from the logits of the coalitions.

    Args:
        coalitions: dict from a frozenset of modality indices to logits
            `(batch, classes)`, for all but the empty one.
        count: integer, M.

    Returns:
        List of M tensors `(batch, classes)` that add up to f(all).
    """
    responses = []
    for m in range(count):
        others = [j for j in range(count) if j != m]
        total = 0.0
        for size in range(count):
            weight = math.factorial(size) * math.factorial(count - size - 1)
            weight = weight / math.factorial(count)
            for chosen in itertools.combinations(others, size):
                gain = coalitions[frozenset((*chosen, m))]
                if chosen:
                    gain = gain - coalitions[frozenset(chosen)]
                total = total + weight * gain
        responses.append(total)
    return responses


def strengths(losses):
    """r^m from the modalities' losses s^m: `(M,)` to `(M,)`."""
    differences = scores.mean_of_others(losses) - losses
    return ops.exp(ops.clip(differences, -EXPONENT, EXPONENT))


def agm_coefficients(losses, running, alpha, limit=None):
    """k^m.

    Args:
        losses: float32 `(M,)`, s of this step, at least two.
        running: float32 `(M,)`, s_hat of the steps before it.
        alpha: float, at least 0.
        limit: float or None, the most that tau - r counts.

    Returns:
        float32 `(M,)`; all 1 where alpha is 0.
    """
    change = strengths(running) - strengths(losses)
    if limit is not None:
        change = ops.minimum(change, limit)
    return ops.exp(ops.clip(alpha * change, -EXPONENT, EXPONENT))


@keras.saving.register_keras_serializable("keras_balance")
class AGM(EncodersAtZero):
    """Scales each modality's share of the output's gradient.

    Two forward and two backward passes of every encoder a step, one of them
    without dropout, one row of zeros through each encoder, and 2^M - 1 passes
    of the fusion: any fusion will do. The unimodal logits of the model are the
    responses phi^m, which `<modality>_accuracy` and `<modality>_score`, the
    mean probability of the true class, are of; `<modality>_coefficient` is k.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        alpha: float, how strongly a modality is modulated.
        limit: float above 0, the most that tau - r counts, or None.
        clip: float. Where an entry of the gradient of the fusion's kernels
            exceeds it, the global norm of the whole gradient is clipped to
            it. 0 is never; None is 1 in the code's variant, else never.
        window: `(first, last)` epochs in which the method acts, counted from
            0 and both included, or None for all.
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`,
            without `heads`.

    Raises:
        ValueError: for values other than these.
    """

    tracked = ("coefficient",)
    has_unimodal_logits = True

    def __init__(
        self,
        encoders,
        num_classes,
        alpha=1.5,
        limit=10.0,
        clip=None,
        window=None,
        variant="paper",
        **kwargs,
    ):
        check_number("alpha", alpha)
        if limit is not None:
            check_number("limit", limit, least=1e-6)
        if clip is not None:
            check_number("clip", clip)
        check_window(window)
        check_variant(variant)
        if kwargs.get("heads"):
            raise ValueError(
                "AGM finds each modality's part in the fused logits and has "
                "no use for heads. Received: heads=True"
            )
        super().__init__(encoders, num_classes, **kwargs)
        self.alpha = alpha
        self.limit = limit
        self.clip = clip
        self.window = None if window is None else tuple(window)
        self.variant = variant

    def build(self, input_shape):
        super().build(input_shape)
        count = len(self.modalities)
        self.running = self.add_state("running_losses", (count,))
        self.steps = self.add_state("running_steps")
        # What the code's variant goes on with after the window.
        self.last = self.add_state("last_coefficients", (count,), "ones")

    # Responses ----------------------------------------------------------------

    def call(self, inputs, training=False):
        # Predictions need no responses.
        return super().forward_pass(inputs, training=training).logits

    def forward_pass(self, inputs, training=False):
        outputs = super().forward_pass(inputs, training=training)
        # Encoders run again below: Keras forgets what their layers added.
        added = sum(self.losses)
        responses = self.responses(outputs, inputs, training)
        unimodal = dict(zip(self.modalities, responses, strict=True))
        return outputs._replace(unimodal=unimodal, added=added)

    def responses(self, outputs, inputs, training):
        """phi^m of a batch, a list of float32 `(batch, classes)`."""
        count = len(self.modalities)
        coalitions = {frozenset(range(count)): outputs.logits}
        if count == 1:
            return shapley_responses(coalitions, count)
        # The training pass has moved BatchNormalization's averages already.
        given = [
            self.encode(name, inputs) if training else outputs.features[name]
            for name in self.modalities
        ]
        masked = [
            self.masked_features(name, inputs, z, outputs.present.get(name))
            for name, z in zip(self.modalities, given, strict=True)
        ]
        for size in range(1, count):
            for chosen in itertools.combinations(range(count), size):
                features = [
                    given[m] if m in chosen else masked[m] for m in range(count)
                ]
                logits = self.fusion(features, training=False)
                coalitions[frozenset(chosen)] = ops.cast(logits, "float32")
        return shapley_responses(coalitions, count)

    # Modulation ---------------------------------------------------------------

    def losses_and_coefficients(self, outputs, batch):
        """`(s, k, usable)`, both `(M,)`, and whether rows could be compared."""
        rows = scores.complete_rows(outputs, batch)
        weight = self.sum_over_replicas(ops.sum(rows))
        sums = [
            ops.sum(rows * _cross_entropy(phi, batch.labels))
            for phi in outputs.unimodal.values()
        ]
        totals = self.sum_over_replicas(ops.stop_gradient(ops.stack(sums)))
        losses = totals / ops.maximum(weight, 1e-8)
        ones = ops.ones_like(losses)
        if len(self.modalities) < 2:
            return losses, ones, weight > 0
        found = agm_coefficients(
            losses,
            ops.convert_to_tensor(self.running),
            self.alpha,
            self.limit,
        )
        outside = ones
        if self.variant == "code":
            outside = ops.convert_to_tensor(self.last)
        coefficients = ops.where(self.in_epochs(self.window), found, outside)
        usable = ops.logical_and(weight > 0, ops.all(ops.isfinite(losses)))
        return losses, ops.where(usable, coefficients, ones), usable

    def training_loss(self, outputs, batch):
        _, coefficients, _ = self.losses_and_coefficients(outputs, batch)
        # The value of f, with the gradient of sum_m k phi^m.
        logits = outputs.logits
        for i, phi in enumerate(outputs.unimodal.values()):
            extra = phi - ops.stop_gradient(phi)
            logits = logits + (coefficients[i] - 1.0) * extra
        loss = super().training_loss(outputs._replace(logits=logits), batch)
        # Each replica has its share of what its own pass added.
        return loss + (outputs.added - sum(self.losses)) / replicas()

    def modulate(self, gradients, outputs, batch):
        self.scores(outputs, batch)
        losses, coefficients, usable = self.losses_and_coefficients(
            outputs, batch
        )
        for i, name in enumerate(self.modalities):
            self.track(f"{name}_coefficient", coefficients[i])
        # There it could also be the scale that is too large.
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            gradients = self.without_undefined(gradients, usable)
        usable = ops.logical_and(usable, self.all_finite(gradients))
        old = ops.convert_to_tensor(self.running)
        steps = ops.convert_to_tensor(self.steps)
        new = old * (steps / (steps + 1)) + losses / (steps + 1)
        self.running.assign(ops.where(usable, new, old))
        self.steps.assign(ops.where(usable, steps + 1, steps))
        inside = ops.logical_and(usable, self.in_epochs(self.window))
        last = ops.convert_to_tensor(self.last)
        self.last.assign(ops.where(inside, coefficients, last))
        return Update(self.clipped(gradients))

    def clipped(self, gradients):
        """The gradients, clipped where those of the fusion are large."""
        clip = self.clip
        if clip is None:
            clip = 1.0 if self.variant == "code" else 0.0
        kernels = {
            id(v) for v in self.fusion.trainable_variables if len(v.shape) > 1
        }
        variables = self.moving_variables()
        largest = [
            ops.max(ops.abs(g))
            for g, v in zip(gradients, variables, strict=True)
            if id(v) in kernels
        ]
        if not clip or not largest:
            return gradients
        norm = ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients))
        factor = ops.minimum(clip / (norm + 1e-6), 1.0)
        exceeds = ops.max(ops.stack(largest)) > clip
        factor = ops.where(exceeds, factor, ops.ones_like(factor))
        return [g * factor for g in gradients]

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "limit": self.limit,
            "clip": self.clip,
            "window": self.window,
            "variant": self.variant,
        }


def _cross_entropy(logits, labels):
    """-log max(p_y, 1e-8) of each row."""
    p = scores.true_class_probability(logits, labels)
    return -ops.log(ops.maximum(p, 1e-8))
