"""LFM: classification whose modalities are drawn together, less and less.

Yang, Wan, Jiang, Xu, "Facilitating Multimodal Classification via Dynamically
Learning Modality Gap", NeurIPS 2024.

    f   = (1/M) sum_m u^m            u^m: a linear head of its own per modality
    L   = lambda_0 CE(f, y) + lambda_1 A,    lambda_0 + lambda_1 = 1
    A   = mean over pairs of mean_i JS(p^m_i, p^n_i),    p = softmax(u)
    JS(p, q) = 1/2 [KL(p | a) + KL(q | a)],  a = (p + q) / 2

u, f and p are `(batch, classes)`. The alignment A starts with most of the
weight and gives it to the cross-entropy, by one of two schedules:

* "fitted": lambda_0 at epoch e of 200 is the polynomial through the published
  points (0, .204624), (50, .436681), (100, .539155), (150, .821314) and
  (199, .915989). Runs of another length stretch it: `schedule_epochs`.
* "learnable": lambda_1 starts at 0.95, and after each epoch
      lambda_1 <- clip(lambda_1 - eta h, .05, .95),   h = mean of H g
  with H the Hessian of L and g the gradient of CE(f, y) over all parameters,
  on a few training samples; eta is halved every 20 epochs. H g is exact: the
  gradient of the derivative of L along g. Encoders must be twice
  differentiable. It is computed without dropout and with the moving averages
  of BatchNormalization; the samples are the first ones of the training data,
  which are trained on, too.

Where the released code differs (`variant="code"`): A has the arguments of KL
the other way round, 1/2 [KL(a | p) + KL(a | q)]; L is twice as large; h is the
mean over the first parameter alone. The authors write for two modalities; the
mean over pairs is how BalanceBenchmark extends it.

Values (CREMA-D): eta 1e-4, 8 samples, 200 epochs.
"""

import itertools

import keras
import numpy as np
from keras import ops

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.fusions.mean import Mean
from keras_balance.models import batch as batches
from keras_balance.models.balanced import BalancedModel

SCHEDULES = ("fitted", "learnable")
PUBLISHED_EPOCHS = (0, 50, 100, 150, 199)
PUBLISHED_LAMBDA_0 = (0.204624, 0.436681, 0.539155, 0.821314, 0.915989)
LEAST, MOST = 0.05, 0.95
HALVED_EVERY = 20


def fitted_lambda_0(epoch, schedule_epochs=200):
    """lambda_0 of the schedule "fitted"; past its end, what it ends with.

    Args:
        epoch: integer, counted from 0.
        schedule_epochs: integer, the length of the schedule.
    """
    last = PUBLISHED_EPOCHS[-1]
    points = np.array(PUBLISHED_EPOCHS) / last
    done = min(1.0, epoch / max(1, schedule_epochs - 1))
    polynomial = np.polyfit(points, PUBLISHED_LAMBDA_0, len(points) - 1)
    return float(np.polyval(polynomial, done))


def learned_lambda_1(value, gradient, rate, epoch):
    """lambda_1 after a step of the schedule "learnable".

    Args:
        value: float, lambda_1 so far.
        gradient: float, h; a step without a finite one is left out.
        rate: float, eta in the first epochs.
        epoch: integer, counted from 0.
    """
    if not np.isfinite(gradient):
        return value
    rate = rate * 0.5 ** (epoch // HALVED_EVERY)
    return float(np.clip(value - rate * gradient, LEAST, MOST))


def alignment(one, other, variant="paper"):
    """A of each row, `(batch,)`.

    Args:
        one: float32 logits `(batch, classes)`.
        other: the other modality's, likewise.
        variant: "paper" for Jensen-Shannon, "code" for reversed arguments.
    """
    logs = [ops.log_softmax(u, axis=-1) for u in (one, other)]
    middle = ops.logaddexp(*logs) - float(np.log(2.0))
    if variant == "code":
        each = [ops.exp(middle) * (middle - p) for p in logs]
    else:
        each = [ops.exp(p) * (p - middle) for p in logs]
    return 0.5 * ops.sum(each[0] + each[1], axis=-1)


@keras.saving.register_keras_serializable("keras_balance")
class LFM(BalancedModel):
    """Weighs cross-entropy against how far the modalities are apart.

    One forward and one backward pass a step; "learnable" adds two forward and
    three backward passes of `probe_rows` samples an epoch, uncompiled. A row
    that lacks a modality is predicted by the mean of the others. The metric
    `alignment_weight` is lambda_1.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        schedule: "fitted" or "learnable".
        schedule_epochs: integer, the length of the schedule "fitted".
        learning_rate: float, eta of the schedule "learnable".
        start: float, the first lambda_1 of the schedule "learnable".
        probe_rows: integer, samples that the schedule "learnable" looks at.
        fusion: "mean"; the method is defined for no other.
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
        TypeError: in `fit` with the schedule "learnable", for training data
            that reading uses up.
    """

    def __init__(
        self,
        encoders,
        num_classes,
        schedule="fitted",
        schedule_epochs=200,
        learning_rate=1e-4,
        start=0.95,
        probe_rows=8,
        fusion="mean",
        variant="paper",
        **kwargs,
    ):
        check_choice("schedule", schedule, SCHEDULES)
        check_count("schedule_epochs", schedule_epochs)
        check_number("learning_rate", learning_rate)
        check_number("start", start, least=LEAST, most=MOST)
        check_count("probe_rows", probe_rows)
        check_variant(variant)
        if kwargs.get("heads"):
            raise ValueError(
                "LFM trains the maps of fusion='mean', which are its heads. "
                "Received: heads=True"
            )
        super().__init__(encoders, num_classes, fusion=fusion, **kwargs)
        if not isinstance(self.fusion, Mean):
            raise ValueError(
                "LFM predicts by the mean of one linear head per modality, "
                f"fusion='mean'. Received: {type(self.fusion).__name__}"
            )
        self.schedule = schedule
        self.schedule_epochs = schedule_epochs
        self.learning_rate = learning_rate
        self.start = start
        self.probe_rows = probe_rows
        self.variant = variant
        if self.schedule == "fitted":
            start = 1.0 - fitted_lambda_0(0, self.schedule_epochs)
        self.alignment_weight = self.add_state(
            "alignment_weight", (), keras.initializers.Constant(start)
        )

    def combine(self, features, inputs, training=False):
        outputs = super().combine(features, inputs, training=training)
        unimodal = {
            name: self.fusion.own_logits(i, features[name])
            for i, name in enumerate(self.modalities)
        }
        outputs = outputs._replace(unimodal=unimodal)
        if not outputs.present:
            return outputs
        total, count = 0.0, 0.0
        for name, logits in unimodal.items():
            there = outputs.present.get(name, ops.ones_like(logits[:, 0]))
            total = total + there[:, None] * logits
            count = count + there[:, None]
        return outputs._replace(logits=total / ops.maximum(count, 1.0))

    def training_loss(self, outputs, batch):
        loss = super().training_loss(outputs, batch)
        if len(self.modalities) < 2:
            return loss
        # What layers add to the loss is not weighed.
        added = loss - self.cross_entropy(outputs, batch)
        self.track("alignment_weight", self.lambda_1())
        scale = 2.0 if self.variant == "code" else 1.0
        return added + scale * self.objective(outputs, batch)

    def lambda_1(self):
        return ops.convert_to_tensor(self.alignment_weight)

    def cross_entropy(self, outputs, batch):
        return self.loss_object(batch.y, outputs.logits, batch.sample_weight)

    def objective(self, outputs, batch):
        """lambda_0 CE + lambda_1 A."""
        pairs = list(itertools.combinations(self.modalities, 2))
        apart = 0.0
        for names in pairs:
            rows = self.shared_weight(names, outputs, batch)
            pair = [outputs.unimodal[name] for name in names]
            apart = apart + self.row_mean(alignment(*pair, self.variant), rows)
        weight = self.lambda_1()
        loss = self.cross_entropy(outputs, batch)
        return (1.0 - weight) * loss + weight * apart / len(pairs)

    def on_epoch_begin(self, epoch, data):
        if self.schedule == "fitted":
            value = fitted_lambda_0(epoch, self.schedule_epochs)
            self.alignment_weight.assign(np.float32(1.0 - value))
        else:
            # Fails now, not after the epoch, where it could not be read.
            data.training_batches()

    def on_epoch_end(self, epoch, data, logs):
        if self.schedule == "fitted" or len(self.modalities) < 2:
            return
        products = self.curvature(next(iter(data.training_batches())))
        if self.variant == "code":
            products = products[:1]
        if not products:  # nothing is left to train
            return
        total = sum(float(ops.sum(h)) for h in products)
        value = learned_lambda_1(
            float(ops.convert_to_numpy(self.alignment_weight)),
            total / sum(int(np.prod(h.shape)) for h in products),
            self.learning_rate,
            epoch,
        )
        self.alignment_weight.assign(np.float32(value))

    def curvature(self, data):
        """H g of the first rows of a batch: one tensor per variable.

        Args:
            data: tuple `(x, y, sample_weight)` of NumPy arrays.
        """
        first = keras.tree.map_structure(
            lambda a: ops.convert_to_tensor(a[: self.probe_rows]),
            tuple(part for part in data if part is not None),
        )
        batch = batches.unpack(first, self.num_classes)
        variables = self.trainable_variables
        values = [ops.copy(v.value) for v in variables]

        def cross_entropy():
            outputs = self.forward_pass(batch.x, training=False)
            return self.cross_entropy(outputs, batch), ()

        direction = self.gradients_at(cross_entropy, variables, values)
        direction = direction.gradients[0]

        def slope():
            here = [v.value for v in variables]

            def along(distance):
                moved = [
                    value + distance[0] * g
                    for value, g in zip(here, direction, strict=True)
                ]
                mapping = list(zip(variables, moved, strict=True))
                with keras.StatelessScope(state_mapping=mapping):
                    outputs = self.forward_pass(batch.x, training=False)
                    return self.objective(outputs, batch), ()

            _, (derivative,) = self.input_gradients(along, [ops.zeros(())])
            return derivative, ()

        return self.gradients_at(slope, variables, values).gradients[0]

    def _metric_names(self):
        return [*super()._metric_names(), "alignment_weight"]

    def get_config(self):
        return {
            **super().get_config(),
            "schedule": self.schedule,
            "schedule_epochs": self.schedule_epochs,
            "learning_rate": self.learning_rate,
            "start": self.start,
            "probe_rows": self.probe_rows,
            "variant": self.variant,
        }
