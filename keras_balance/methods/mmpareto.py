"""MMPareto: Pareto steps between the joint loss and each modality's own.

Wei, Hu, "MMPareto: Boosting Multimodal Learning with Innocent Unimodal
Assistance", ICML 2024, arXiv 2405.17730.

For the encoder theta of each modality, with L = CE(f, y) of the fused logits
and L^m = CE(u^m, y) of a dedicated linear head, all `(batch, classes)`:

    g = dL/dtheta,  u = dL^m/dtheta
    a = 1/2 where <g, u> > 0, else
        argmin_{0 <= a <= 1} |a g + (1 - a) u|^2
          = (|u|^2 - <g, u>) / (|g|^2 + |u|^2 - 2 <g, u>)
    d = 2 a g + 2 (1 - a) u
    update = gamma max(1, |g + u| / |d|) d

Where the two gradients agree, this is gamma (g + u). Where they do not, d is
the common direction of descent, <d, g> = <d, u>, which is shorter than the sum;
it is given back the sum's length, and gamma keeps the noise of SGD large. Inner
products are those of all of an encoder's tensors as one vector. Heads and
fusion are moved by the plain gradient of L + sum_m L^m.

Where the released code differs (`variant="code"`): it restores the length of
each tensor by itself, so that d keeps its direction in each tensor, but not in
the encoder as a whole. Its solver's a is 0.999 where |g| is 0 and 0.001 where
|u| is; the update is then gamma (g + u), here too. What it divides 0 by 0 for,
tensors without gradient, stays 0 here.

Values: gamma 1.5; SGD with rate 2e-3, momentum 0.9 and decay 1e-4, batches of
64 (CREMA-D, ResNet-18), at a constant rate. An optimizer that divides by the
gradient's size, as Adam does, cancels gamma and what restores the length.
"""

import warnings

import keras
from keras import ops

from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.mechanisms.modulated import SCALE_FREE
from keras_balance.mechanisms.modulated import innermost
from keras_balance.models import batch as batches
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.balanced import Update
from keras_balance.models.checks import with_heads

TINY = 1e-30
# A direction this much shorter than the gradients is their rounding error.
ROUNDING = 1e-6


def pareto_weight(gg, uu, gu):
    """a, how much of the joint gradient there is in the direction.

    Args:
        gg: scalar, |g|^2.
        uu: scalar, |u|^2.
        gu: scalar, <g, u>.

    Returns:
        Scalar in [0, 1].
    """
    a = (uu - gu) / ops.maximum(gg + uu - 2.0 * gu, TINY)
    # Only where a gradient is 0: not a direction of length 0 in its stead.
    a = ops.where(gu >= uu, 0.001 * ops.ones_like(a), a)
    a = ops.where(gu >= gg, 0.999 * ops.ones_like(a), a)
    return ops.where(gu > 0, 0.5 * ops.ones_like(a), a)


def encoder_update(g, u, gamma=1.5, variant="paper"):
    """What an encoder is moved by.

    Args:
        g: list of tensors, gradients of the joint loss, one per variable.
        u: list of tensors, gradients of the modality's own loss.
        gamma: float, what every update is multiplied by.
        variant: "paper" or "code".

    Returns:
        `(update, cosine, conflict)`: a list of tensors; the cosine between the
        two gradients, 0 where one of them is 0; and whether it is below 0.
    """
    gg, uu, gu = _dot(g, g), _dot(u, u), _dot(g, u)
    a = pareto_weight(gg, uu, gu)
    parts = [[i] for i in range(len(g))]
    if variant == "paper":
        parts = [list(range(len(g)))]
    update = []
    for part in parts:
        own = [g[i] for i in part], [u[i] for i in part]
        update += _restored(*own, a, gamma)
    cosine = gu / ops.maximum(ops.sqrt(gg) * ops.sqrt(uu), TINY)
    return update, cosine, gu < 0


def _restored(g, u, a, gamma):
    """gamma max(1, |g + u| / |d|) d, of tensors taken as one vector."""
    d = [2.0 * a * x + 2.0 * (1.0 - a) * y for x, y in zip(g, u, strict=True)]
    length = _norm(d)
    whole = _norm([x + y for x, y in zip(g, u, strict=True)])
    factor = ops.maximum(whole / ops.maximum(length, TINY), 1.0)
    sound = length > ROUNDING * (_norm(g) + _norm(u))
    factor = gamma * ops.where(sound, factor, ops.ones_like(factor))
    return [factor * x for x in d]


def _dot(one, other):
    products = [
        ops.sum(ops.cast(x, "float32") * ops.cast(y, "float32"))
        for x, y in zip(one, other, strict=True)
    ]
    return sum(products)


def _norm(tensors):
    return ops.sqrt(_dot(tensors, tensors))


@keras.saving.register_keras_serializable("keras_balance")
class MMPareto(BalancedModel):
    """Moves encoders so that the joint and the unimodal loss both fall.

    One forward pass a step and two backward ones: of the joint loss, and of
    the sum of the unimodal ones, each of which reaches its own encoder alone.
    Any fusion will do. `<modality>_cosine` is the cosine between the two
    gradients of an encoder, `<modality>_conflict` the share of steps in which
    it is below 0; `<modality>_gradient_norm` is that of the plain sum. The
    loss in training is that sum of losses, in validation the joint loss.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        gamma: float, what the encoders' updates are multiplied by.
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`;
            `heads` cannot be False.

    Raises:
        ValueError: for values other than these.
    """

    tracked = ("cosine", "conflict")
    trains_heads = True

    def __init__(
        self, encoders, num_classes, gamma=1.5, variant="paper", **kwargs
    ):
        check_number("gamma", gamma)
        check_variant(variant)
        super().__init__(
            encoders, num_classes, **with_heads(kwargs, "MMPareto")
        )
        self.gamma = gamma
        self.variant = variant

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        inner = innermost(self.optimizer)
        if isinstance(inner, SCALE_FREE):
            warnings.warn(
                f"MMPareto sets the length of gradients, and "
                f"{type(inner).__name__} divides by their size: gamma has no "
                "effect. Use SGD.",
                stacklevel=2,
            )

    def balanced_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        variables = self.moving_variables()

        def loss_fn():
            joint, outputs = self.training_pass(batch)
            own = [
                self.unimodal_loss(name, outputs, batch)
                for name in self.modalities
            ]
            return [joint, sum(own)], outputs

        losses, outputs, (joint, own) = self.gradients(loss_fn, variables)
        plain = [g + u for g, u in zip(joint, own, strict=True)]
        self.track_gradient_norms(plain, variables)
        self.scores(outputs, batch)
        gradients = self.pareto_gradients(joint, own, plain, variables)
        self.update(Update(gradients), variables)
        return self.step_logs(sum(losses), outputs, batch)

    def pareto_gradients(self, joint, own, plain, variables):
        """The gradients as the optimizer is given them; tracks the cosines.

        Args:
            joint: list, one gradient of the joint loss per variable.
            own: list, the same of the sum of the unimodal losses.
            plain: list, their sums.
            variables: list of variables.
        """
        index = {id(v): i for i, v in enumerate(variables)}
        gradients = list(plain)
        for name in self.modalities:
            layer = self.encoders[name]
            places = [
                index[id(v)]
                for v in layer.trainable_variables
                if id(v) in index
            ]
            if not places:
                continue
            update, cosine, conflict = encoder_update(
                [joint[i] for i in places],
                [own[i] for i in places],
                self.gamma,
                self.variant,
            )
            for i, gradient in zip(places, update, strict=True):
                gradients[i] = gradient
            # Half precision may overflow, and then skips the step.
            finite = ops.isfinite(cosine)
            seen = ops.cast(finite, "float32")
            cosine = ops.where(finite, cosine, ops.zeros_like(cosine))
            self.track(f"{name}_cosine", cosine, seen)
            conflict = ops.cast(conflict, "float32")
            self.track(f"{name}_conflict", conflict, seen)
        return gradients

    def get_config(self):
        return {
            **super().get_config(),
            "gamma": self.gamma,
            "variant": self.variant,
        }
