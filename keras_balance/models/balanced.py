"""The balanced step: forward, loss, gradients, modulation, update, metrics."""

from typing import Any
from typing import NamedTuple

import keras
from keras import ops

from keras_balance.engine import replicas
from keras_balance.models import batch as batches
from keras_balance.models import scores
from keras_balance.models.training import PhasedTraining


class Update(NamedTuple):
    """What one step does with the variables.

    Attributes:
        gradients: list, one per variable, as the optimizer is given them.
        factors: None, or a list with a factor of the optimizer's step per
            variable, None for those that take the full step.
        noise: None, or a list with what is added to the variable's gradient
            outside the factor, None for variables without.
    """

    gradients: Any
    factors: Any = None
    noise: Any = None


class BalancedModel(PhasedTraining):
    """A multimodal model whose training step a method may change.

    A method overrides the hooks it needs, in the order in which data flows:

    * `training_pass(batch)`: the forward pass and the loss;
    * `training_loss(outputs, batch)`: the loss that is differentiated;
    * `modulate(gradients, outputs, batch)`: gradients to `Update`;
    * `update(update, variables)`: how variables move;
    * `on_epoch_begin(epoch, data)` and `on_epoch_end(epoch, data, logs)`: what
      is estimated once an epoch, with the training and validation data
      (`keras_balance.models.fit_data.FitData`);
    * `combine(features, inputs, training)`: what follows the encoders, where a
      method changes features or logits, in training or in prediction;
    * `training_data(data, arguments)`: what `fit` reads, where a method trains
      on other rows than those that it was given.

    A method of several passes overrides `balanced_step` itself, with the
    primitives of `keras_balance.engine.base`.

    Args:
        encoders: see `MultimodalModel`.
        num_classes: see `MultimodalModel`.
        **kwargs: further arguments of `MultimodalModel`.
    """

    # Quantities that the method tracks of each modality, as
    # `<modality>_<quantity>`, beside accuracy, score and gradient norm. A
    # "loss", that of the unimodal logits, is tracked here, in validation too.
    tracked = ()
    # Whether the method needs unimodal logits to work at all.
    needs_unimodal_logits = False
    # Whether the method's own loss trains dedicated heads.
    trains_heads = False
    # Whether `fit` must be given validation data.
    needs_validation = False

    def __init__(self, encoders, num_classes, **kwargs):
        super().__init__(encoders, num_classes, **kwargs)
        if self.needs_unimodal_logits and not self.has_unimodal_logits:
            raise ValueError(
                f"{type(self).__name__} compares unimodal logits, and the "
                f"fusion '{type(self.fusion).__name__}' has none. Pass "
                "heads=True for dedicated unimodal heads, or use "
                "fusion='concat' or 'sum'."
            )
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in self._metric_names()
        }

    @property
    def has_scores(self):
        """Whether a step scores the modalities: here by unimodal logits."""
        return self.has_unimodal_logits

    # Hooks ------------------------------------------------------------------

    def training_pass(self, batch):
        """`(loss, outputs)` of a batch: the forward pass and the loss."""
        outputs = self.forward_pass(batch.x, training=True)
        return self.training_loss(outputs, batch), outputs

    def training_loss(self, outputs, batch):
        """The scalar loss; `compute_loss` is called exactly once."""
        return self.compute_loss(
            batch.x,
            batch.y,
            outputs.logits,
            batch.sample_weight,
            training=True,
        )

    def modulate(self, gradients, outputs, batch):
        """What to do with the gradients of `trainable_variables`."""
        if outputs.unimodal:
            self.scores(outputs, batch)
        return Update(gradients)

    def update(self, update, variables):
        """Move the variables."""
        self.apply_gradients(update.gradients, variables)

    def on_epoch_begin(self, epoch, data):
        """Called before an epoch, `data` being a `FitData`."""

    def on_epoch_end(self, epoch, data, logs):
        """Called after an epoch and its validation."""

    def host_state(self):
        """What the method holds in Python, as JSON would take it."""
        return {}

    def load_host_state(self, state):
        """Takes back what `host_state` gave."""

    # The step ---------------------------------------------------------------

    def balanced_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        variables = self.moving_variables()

        def loss_fn():
            loss, outputs = self.training_pass(batch)
            return loss + self.head_loss(outputs, batch), outputs

        (loss,), outputs, (gradients,) = self.gradients(loss_fn, variables)
        self.track_gradient_norms(gradients, variables)
        self.update(self.modulate(gradients, outputs, batch), variables)
        return self.step_logs(loss, outputs, batch)

    def balanced_test_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        outputs = self.forward_pass(batch.x, training=False)
        loss = self.compute_loss(
            batch.x, batch.y, outputs.logits, batch.sample_weight
        )
        return self.of_validation(self.step_logs(loss, outputs, batch))

    def step_logs(self, loss, outputs, batch):
        """Counts faults, updates the metrics and returns their results."""
        # Under a TensorFlow strategy each replica holds its share of the loss.
        loss = self.sum_over_replicas(ops.cast(loss, "float32"))
        broken = ops.cast(ops.logical_not(ops.isfinite(loss)), "int32")
        invalid = self.sum_over_replicas(batch.invalid)
        found = ops.concatenate([invalid, broken[None]])
        self.faults.assign(ops.add(self.faults, found))
        rows = ops.shape(batch.labels)[0]
        self.metrics[0].update_state(loss, sample_weight=rows)
        for name, logits in outputs.unimodal.items():
            right = ops.equal(
                ops.cast(ops.argmax(logits, axis=-1), "int32"), batch.labels
            )
            weight = batch.weight * outputs.present.get(name, 1.0)
            self.track(f"{name}_accuracy", ops.cast(right, "float32"), weight)
            if f"{name}_loss" in self.trackers:
                # `call` is the loss before any reduction, one value a row.
                values = self.loss_object.call(batch.y, logits)
                self.track(f"{name}_loss", values, weight)
        if "phase" in self.trackers:
            self.track("phase", float(self.phases.index(self.phase)))
        return self.compute_metrics(
            batch.x, batch.y, outputs.logits, batch.sample_weight
        )

    # Pieces that methods share ------------------------------------------------

    def moving_variables(self):
        """The variables that a step moves: all but those of `resting`."""
        groups = self.variable_groups()
        still = {
            index
            for name in self.resting
            for index in groups[self.modalities.index(name)]
        }
        return [
            v for i, v in enumerate(self.trainable_variables) if i not in still
        ]

    def track(self, name, value, weight=None):
        """Adds a value to the epoch's mean of a metric of `trackers`."""
        self.trackers[name].update_state(value, sample_weight=weight)

    def track_gradient_norms(self, gradients, variables):
        """L2 norm of each encoder's gradient; steps with inf are left out."""
        by_id = dict(zip(map(id, variables), gradients, strict=True))
        for name in self.modalities:
            squares = [
                ops.sum(ops.square(ops.cast(by_id[id(v)], "float32")))
                for v in self.encoders[name].trainable_variables
                if id(v) in by_id
            ]
            if not squares:
                continue
            norm = ops.sqrt(sum(squares))
            finite = ops.isfinite(norm)
            self.track(
                f"{name}_gradient_norm",
                ops.where(finite, norm, ops.zeros_like(norm)),
                ops.cast(finite, "float32"),
            )

    def unimodal_loss(self, name, outputs, batch):
        """The compiled loss on one modality's logits, over rows that have it.

        Where rows lack the modality, the mean is over those that do not.
        """
        weight = batch.sample_weight
        if name in outputs.present:
            weight = self.own_weight(name, outputs, batch)
        return self.loss_object(batch.y, outputs.unimodal[name], weight)

    def in_epochs(self, window):
        """Whether this epoch is in `(first, last)`: a scalar boolean tensor.

        Both ends count; None is every epoch.
        """
        first, last = window or (0, 2**31 - 1)
        epoch = ops.convert_to_tensor(self.epoch)
        return ops.logical_and(epoch >= first, epoch <= last)

    def head_loss(self, outputs, batch):
        """Zero, with a gradient that trains the dedicated heads as probes.

        Heads that the method's loss does not reach would stay as they were
        drawn, and scores and accuracies would be of random maps. Encoders get
        no gradient from it.
        """
        if not self.heads or self.trains_heads:
            return 0.0
        total = 0.0
        for name, head in self.heads.items():
            z = ops.stop_gradient(ops.cast(outputs.features[name], "float32"))
            alone = outputs._replace(unimodal={name: head(z)})
            total = total + self.unimodal_loss(name, alone, batch)
        return total - ops.stop_gradient(total)

    def own_weight(self, name, outputs, batch):
        """Row weights `(batch,)` for a mean over the rows with a modality.

        Zero where it is absent, and larger elsewhere by as much as is missing.
        """
        return self.shared_weight((name,), outputs, batch)

    def shared_weight(self, names, outputs, batch):
        """`own_weight`, for the rows that have every modality of `names`."""
        weight = batch.weight
        marked = [name for name in names if name in outputs.present]
        if not marked:
            return weight
        for name in marked:
            weight = weight * outputs.present[name]
        total = self.sum_over_replicas(ops.sum(weight))
        every = self.sum_over_replicas(ops.sum(batch.weight))
        return weight * (every / ops.maximum(total, 1e-8))

    def row_mean(self, values, weight):
        """sum_i w_i v_i / B, the mean that Keras's losses are.

        Under a TensorFlow strategy it is the replica's share of that mean.

        Args:
            values: float32 `(batch,)`.
            weight: float32 `(batch,)`.
        """
        return ops.mean(weight * values) / replicas()

    def scores(self, outputs, batch):
        """Summed scores and their weight, over all replicas; tracks the means.

        Returns:
            `(scores, weight)` as `keras_balance.models.scores.summed_scores`.
        """
        totals, weight = scores.summed_scores(outputs, batch)
        return self.track_scores(totals, weight, list(outputs.unimodal))

    def track_scores(self, totals, weight, names=None):
        """Sums over replicas, and the metrics that show them.

        The metric `score_ratio` is the first modality's score over the mean of
        the others'.

        Args:
            totals: float32 `(M,)`, each modality's score summed over rows.
            weight: scalar, the sum of the rows' weights.
            names: the modalities, all by default.

        Returns:
            `(totals, weight)` over all replicas.
        """
        names = names or self.modalities
        totals = self.sum_over_replicas(totals)
        weight = self.sum_over_replicas(weight)
        mean = totals / ops.maximum(weight, 1e-8)
        for i, name in enumerate(names):
            self.track(f"{name}_score", mean[i], weight)
        if len(names) > 1:
            others = scores.mean_of_others(mean)[0]
            ratio = mean[0] / ops.maximum(others, 1e-8)
            self.track("score_ratio", ratio, weight)
        return totals, weight

    def _metric_names(self):
        """Names of the metrics; all must exist before the first step."""
        quantities = ["gradient_norm", *self.tracked]
        if self.has_unimodal_logits:
            quantities = ["accuracy", *quantities]
        if self.has_scores:
            quantities = ["score", *quantities]
        names = [f"{m}_{q}" for q in quantities for m in self.modalities]
        if self.has_scores and len(self.modalities) > 1:
            names.append("score_ratio")
        if len(self.phases) > 1:
            names.append("phase")
        return names
