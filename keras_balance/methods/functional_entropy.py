"""Functional entropy: predictions that depend on every modality.

Gat, Schwartz, Schwing, Hazan, "Removing Bias in Multi-modal Classifiers:
Regularization by Maximizing Functional Entropies", NeurIPS 2020, arXiv
2010.10802.

    x~^m = x^m + std(x^m) n,  n ~ N(0, 1)       all modalities together
    h_i  = -sum_c softmax(f(x_i))_c log softmax(f(x~_i))_c
    I^m  = mean_i |d h_i / d x~^m_i|^2 / h_i    functional Fisher information
    L    = CE(f, y) + weight sum_m 1 / (I^m + epsilon)

std is that of each feature over the batch, ddof 1. I^m bounds the functional
entropy of modality m from above (log-Sobolev); a modality that predictions do
not depend on has little of it, and the term grows. The clean prediction f(x) is
that of the training pass, and is differentiated too; perturbed inputs are run
without dropout and by BatchNormalization's averages, so that rows do not mix.
The noise is added to what an encoder is given, after preprocessing.

Where the released code differs (`variant="code"`):

* h is one number for the batch, the mean over rows and classes of the binary
  cross-entropy of the perturbed logits with softmax(f(x)), as its answers of
  several right labels want; its gradient thus shrinks with batch and classes;
* squares are summed over axis 1 alone, for images and sequences too, and
  averaged over the other axes;
* the term is the norm of (1 / I^1, ..., 1 / I^M), not the sum.

Values: in the code weight 1e-10, and 10 copies of each row (its README: 3). The
paper's per-sample I is many orders of magnitude larger than the code's;
weight 1e-3 and epsilon 1e-4 for it are our choice.
"""

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.engine import replicas
from keras_balance.models import batch as batches
from keras_balance.models import masks
from keras_balance.models.balanced import BalancedModel

TINY = 1e-12
WEIGHTS = {"paper": 1e-3, "code": 1e-10}
EPSILONS = {"paper": 1e-4, "code": 1e-12}


def soft_cross_entropy(clean, perturbed):
    """h of each row: `(batch, classes)` logits twice to `(batch,)`."""
    p = ops.softmax(clean, axis=-1)
    return -ops.sum(p * ops.log_softmax(perturbed, axis=-1), axis=-1)


def binary_cross_entropy(clean, perturbed):
    """The code's h of each row, a mean over classes: `(batch,)`."""
    p = ops.softmax(clean, axis=-1)
    # -log sigmoid(z) = softplus(-z) = softplus(z) - z
    return ops.mean(ops.softplus(perturbed) - p * perturbed, axis=-1)


def information(gradient, h, rows, variant="paper"):
    """I of one modality: a sum over rows, with the sum of the weights.

    Args:
        gradient: `(batch, ...)`, of h by the perturbed input.
        h: `(batch,)`, or a scalar for the batch.
        rows: `(batch,)`, weights.
        variant: "paper", all axes, or "code", axis 1.

    Returns:
        `(sum, weight)`: scalars; I is the one divided by the other.
    """
    squares = ops.square(ops.cast(gradient, "float32"))
    others = tuple(range(1, len(squares.shape)))
    if variant == "code" and len(others) > 1:
        squares = ops.mean(ops.sum(squares, axis=1), axis=others[:-1])
    else:
        squares = ops.sum(squares, axis=others)
    ratio = squares / ops.maximum(h, TINY)
    return ops.sum(rows * ratio), ops.sum(rows)


def entropy_penalty(informations, present, epsilon, variant="paper"):
    """R, the sum or norm of 1 / (I^m + epsilon).

    Args:
        informations: `(M,)`.
        present: booleans `(M,)`; modalities that are left out are False.
        epsilon: float.
        variant: "paper", the sum, or "code", the 2-norm.

    Returns:
        Scalar.
    """
    ones = ops.ones_like(informations)
    # where twice: a modality that is left out must not give NaN gradients.
    inverse = 1.0 / (ops.where(present, informations, ones) + epsilon)
    inverse = ops.where(present, inverse, ops.zeros_like(inverse))
    if variant == "paper":
        return ops.sum(inverse)
    # Scaled, since the squares of 1 / I overflow.
    largest = ops.stop_gradient(ops.max(inverse)) + TINY
    return largest * ops.sqrt(ops.sum(ops.square(inverse / largest)) + TINY)


def feature_std(x, rows):
    """Standard deviation of each feature over the rows that count, ddof 1.

    Args:
        x: `(batch, ...)`.
        rows: float `(batch,)`, 1 for the rows that count, else 0.

    Returns:
        `(1, ...)`; 0 where fewer than two rows count.
    """
    rows = ops.reshape(rows, (-1,) + (1,) * (len(x.shape) - 1))
    count = ops.sum(rows)
    x = ops.where(rows > 0, x, ops.zeros_like(x))
    mean = ops.sum(x, axis=0, keepdims=True) / ops.maximum(count, 1.0)
    squares = ops.sum(rows * ops.square(x - mean), axis=0, keepdims=True)
    return ops.sqrt(squares / ops.maximum(count - 1.0, 1.0))


@keras.saving.register_keras_serializable("keras_balance")
class FunctionalEntropy(BalancedModel):
    """Adds the inverse functional information of every modality to the loss.

    A forward and a backward pass a step, and on `samples` times the rows a
    forward pass, its gradient by the inputs and the gradient of that: about
    1 + 3 `samples` times joint training, in time and memory. Any fusion will
    do, and encoders whose layers can be differentiated twice (on GPUs, not
    the fused recurrent ones of torch). `<modality>_information` is I^m. The
    term is left out of batches with fewer than two rows of a modality.

    Args:
        encoders: see `keras_balance.MultimodalModel`. Inputs must be
            floating-point: token ids cannot be perturbed.
        num_classes: see `keras_balance.MultimodalModel`.
        weight: float, what multiplies the term; None is 1e-3, and 1e-10 in
            the code's variant.
        samples: integer, perturbed copies of each row.
        epsilon: float, added to I; None is 1e-4, and 1e-12 in the code's
            variant.
        variant: "paper", or "code" for what the authors' code does.
        seed: integer or None, seed of the noise.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
    """

    tracked = ("information",)

    def __init__(
        self,
        encoders,
        num_classes,
        weight=None,
        samples=3,
        epsilon=None,
        variant="paper",
        seed=None,
        **kwargs,
    ):
        check_variant(variant)
        if weight is not None:
            check_number("weight", weight)
        check_count("samples", samples)
        if epsilon is not None:
            check_number("epsilon", epsilon, least=TINY)
        super().__init__(encoders, num_classes, **kwargs)
        self.weight = weight
        self.samples = samples
        self.epsilon = epsilon
        self.variant = variant
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def balanced_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        variables = self.moving_variables()

        def loss_fn():
            given = {
                name: self.preprocess(name, batch.x, training=True)
                for name in self.modalities
            }
            outputs = self.run_encoders(given, batch.x, training=True)
            loss = self.training_loss(outputs, batch)
            loss = loss + self.head_loss(outputs, batch)
            penalty, found, counted = self.penalty(given, outputs, batch)
            return loss + penalty, (outputs, found, counted)

        (loss,), aux, (gradients,) = self.gradients(loss_fn, variables)
        outputs, found, counted = aux
        for i, name in enumerate(self.modalities):
            seen = ops.logical_and(counted[i], ops.isfinite(found[i]))
            value = ops.where(seen, found[i], ops.zeros_like(found[i]))
            self.track(f"{name}_information", value, ops.cast(seen, "float32"))
        self.track_gradient_norms(gradients, variables)
        self.update(self.modulate(gradients, outputs, batch), variables)
        return self.step_logs(loss, outputs, batch)

    def run_encoders(self, given, inputs, training):
        """`Outputs` for what encoders are given, after preprocessing."""
        features = {
            name: self.encode_given(name, x, inputs, training=training)
            for name, x in given.items()
        }
        return self.combine(features, inputs, training=training)

    def penalty(self, given, outputs, batch):
        """weight R, I `(M,)`, and which modalities count, booleans `(M,)`."""
        weights = {}
        for name in self.modalities:
            _check_floating(name, given[name])
            present = outputs.present.get(name)
            weights[name] = (
                batch.weight if present is None else batch.weight * present
            )
        counts = [ops.cast(w > 0, "float32") for w in weights.values()]
        perturbed = self.perturbed(given, counts)
        h, gradients = self.sensitivity(given, perturbed, outputs, batch)
        sums = [
            information(g, h, ops.repeat(w, self.samples, axis=0), self.variant)
            for g, w in zip(gradients, weights.values(), strict=True)
        ]
        total = self.sum_over_replicas(ops.stack([s for s, _ in sums]))
        weight = self.sum_over_replicas(ops.stack([w for _, w in sums]))
        found = total / ops.maximum(weight, TINY)
        count = ops.stack([ops.sum(rows) for rows in counts])
        counted = self.sum_over_replicas(count) >= 2
        epsilon, scale = self.epsilon, self.weight
        if epsilon is None:
            epsilon = EPSILONS[self.variant]
        if scale is None:
            scale = WEIGHTS[self.variant]
        penalty = entropy_penalty(found, counted, epsilon, self.variant)
        return scale * penalty / replicas(), found, counted

    def perturbed(self, given, counts):
        """List of `(samples batch, ...)`, copies of the inputs with noise."""
        copies = []
        for x, rows in zip(given.values(), counts, strict=True):
            repeated = ops.repeat(x, self.samples, axis=0)
            if self.variant == "code":
                # The code takes it over all copies: ddof 1 of more rows.
                std = feature_std(
                    repeated, ops.repeat(rows, self.samples, axis=0)
                )
            else:
                std = feature_std(x, rows)
            std = ops.stop_gradient(std)
            copies.append(repeated + std * self.draw(repeated))
        return copies

    def draw(self, x):
        """Standard normal noise of the shape and type of x."""
        noise = keras.random.normal(ops.shape(x), seed=self.seed_generator)
        return ops.cast(noise, x.dtype)

    def sensitivity(self, clean_inputs, perturbed, outputs, batch):
        """h, and its gradients by the perturbed inputs, a list."""
        marks = {
            key: ops.repeat(mark, self.samples, axis=0)
            for key, mark in batch.x.items()
            if key.endswith("_present")
        }
        clean = ops.repeat(outputs.logits, self.samples, axis=0)
        rows = ops.repeat(batch.weight, self.samples, axis=0)
        by_row = (
            soft_cross_entropy
            if self.variant == "paper"
            else binary_cross_entropy
        )

        def total(tensors):
            given = {
                name: masks.like(x, clean_inputs[name], self.samples)
                for name, x in zip(self.modalities, tensors, strict=True)
            }
            logits = self.run_encoders(given, marks, training=False).logits
            h = by_row(clean, logits)
            # Rows do not mix: the gradient of the sum holds each row's own.
            return ops.sum(h if self.variant == "paper" else rows * h), h

        h, gradients = self.input_gradients(total, perturbed)
        if self.variant == "paper":
            return h, gradients
        mass = ops.maximum(ops.sum(rows), TINY)
        return ops.sum(rows * h) / mass, [g / mass for g in gradients]

    def get_config(self):
        return {
            **super().get_config(),
            "weight": self.weight,
            "samples": self.samples,
            "epsilon": self.epsilon,
            "variant": self.variant,
            "seed": self.seed,
        }


def _check_floating(name, x):
    if keras.tree.is_nested(x):
        raise ValueError(
            "FunctionalEntropy perturbs what encoders are given, which must "
            f"be one floating-point array. Received: '{name}' of several "
            "arrays. Move what makes one of them into preprocessing."
        )
    if "float" not in keras.backend.standardize_dtype(x.dtype):
        raise ValueError(
            "FunctionalEntropy perturbs what encoders are given, which must "
            f"be floating-point. Received: '{name}' of type {x.dtype}. Move "
            "the embedding into preprocessing."
        )
