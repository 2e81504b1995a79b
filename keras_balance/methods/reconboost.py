"""ReconBoost: boosting in turn, reconciled with the other modalities.

Hua, Xu, Bao, Yang, Huang, "ReconBoost: Boosting Can Achieve Modality
Reconcilement", ICML 2024, arXiv 2405.09321.

Training goes in stages. In stage s = 0, 1, ... modality k = s mod M learns
against the ensemble of the others, which stands still:

    Phi = sum_{j != k} phi^j,   p = softmax(Phi),   q = softmax(phi^k)
    L   = mean_i [CE(phi^k_i, y_i) - lambda KL(p_i || q_i)]
          + alpha MSE(q, softmax(phi^l)),   l = (s - 1) mod M

and then all that are in the ensemble are rectified together:

    L   = CE(sum_m phi^m, y)

phi^m `(batch, classes)` are the logits of modality m's encoder and head. No
gradient goes through p and phi^l. The middle term reconciles: CE and it have
the gradient (q - y) - lambda (q - p), at lambda = 1 p - y, that of gradient
boosting on what the others leave. The last one consolidates what the modality
before has learned; MSE is the mean over rows and classes, in the code's form.
A modality joins the ensemble in its first stage.

    prediction: f = sum_m phi^m over the ensemble

At lambda = 1 the loss is linear in the logits and has no minimum; below, it
still pushes down wrong classes that the others believe in. Stay at 0.5 or
below, or clip gradients.

The released code (`variant="code"`) differs:

    L = mean_i [(w1 - w2 p_i[y_i]) CE(phi^k_i, y_i)] / classes + alpha MSE
    rectification: L = CE(r sum_m phi^m, y),   Phi = r sum_{j != k} phi^j

* The KL term is masked by the label: what is left are weights of CE, a quarter
  to a third larger at most, for what the others get wrong.
* MSE has no gradient: it shows in the loss and moves nothing.
* r, `boost_rate`, scales the prediction, too; it starts at 1 and is learned in
  rectification.
* One head serves all modalities and moves in every stage: a linear map for
  sentiment data, the default here, and a hidden layer of 256 ReLU elsewhere,
  `fusion=Shared(units=(256,))` (`keras_balance.fusions.shared`).
* BatchNormalization of the others moves in a stage; here in neither variant.

Values: w1 = 5, w2 = 1, 4 and 4 epochs (CREMA-D); w1 = 4, w2 = 1, 4 and 4 (AVE,
ModelNet40); w1 = 1, w2 = 0.25, 1 and 1 (MOSI, MOSEI, CH-SIMS); alpha = 0.5.
`lam` is w2 / w1; the paper's own lambda is unknown to us. SGD 1e-2, momentum
0.9, decay 5e-4, a tenth of the rate every 30 stages (CREMA-D), batches of 64,
encoders from unimodal training. The authors' best models have 35 to 775 stages.
"""

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.engine import replicas
from keras_balance.fusions.shared import Shared
from keras_balance.mechanisms.averages import stacked
from keras_balance.methods import reconboost_stages as stages
from keras_balance.models import batch as batches
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.multimodal import Outputs
from keras_balance.models.scores import true_class_probability
from keras_balance.optimizers.slots import restart


def reconcilement(others, own):
    """KL(softmax(others) || softmax(own)), with no gradient for `others`.

    Both are float32 `(batch, classes)`; returns `(batch,)`.
    """
    log_p = ops.log_softmax(ops.stop_gradient(others), axis=-1)
    log_q = ops.log_softmax(own, axis=-1)
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)


def label_weights(others, labels, w1, w2):
    """(w1 - w2 p[y]) / classes, what the code multiplies CE by.

    Args:
        others: float32 `(batch, classes)`, Phi.
        labels: int32 `(batch,)`.
        w1: float.
        w2: float.

    Returns:
        float32 `(batch,)`, without a gradient.
    """
    right = true_class_probability(ops.stop_gradient(others), labels)
    return (w1 - w2 * right) / others.shape[-1]


def consolidation(own, earlier):
    """The mean square of q - softmax(phi^l), with no gradient for `earlier`.

    Both are float32 `(batch, classes)`; returns `(batch,)`.
    """
    memory = ops.softmax(ops.stop_gradient(earlier), axis=-1)
    return ops.mean(ops.square(ops.softmax(own, axis=-1) - memory), axis=-1)


@keras.saving.register_keras_serializable("keras_balance")
class ReconBoost(BalancedModel):
    """Trains modalities in stages, against the ensemble of the others.

    In a stage a step takes one forward pass of all encoders and the backward
    pass of one, 0.67 of joint training with two modalities; encoders outside
    the ensemble are not run. In rectification it takes what joint training
    takes. All are epochs of one `fit`, in the order of `encoders`. The first
    round ends after M (stage_epochs + rectify_epochs) of them, and predictions
    are until then of the modalities that have begun. A second `fit` or a
    loaded model goes on where training was.

    Each modality has an optimizer of its own, and so has what they share. They
    start anew with each stage and each rectification they take part in.
    Learning rates stay; a schedule counts on by its optimizer's steps.

    In `history`, `phase` counts the phases, one for each modality at turn and
    each ensemble, `reconcilement` is KL(p || q) and `consolidation` the MSE,
    both 0 where there is none.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        lam: float from 0 to 1, lambda; w2 / w1 in the code.
        alpha: float, the weight of consolidation.
        stage_epochs: integer, the epochs of a stage.
        rectify_epochs: integer, those of rectification after each; 0 for none.
        w1: float, for `variant="code"` alone.
        fusion: "sum", a head per modality, or "shared"; by default, or with
            None, the former for the paper and the latter for the code.
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
    """

    optimizer_per_modality = True

    def __init__(
        self,
        encoders,
        num_classes,
        lam=0.25,
        alpha=0.5,
        stage_epochs=4,
        rectify_epochs=4,
        w1=4.0,
        fusion=None,
        variant="paper",
        **kwargs,
    ):
        check_number("lam", lam, most=1.0)
        check_number("alpha", alpha)
        check_count("stage_epochs", stage_epochs)
        check_count("rectify_epochs", rectify_epochs, least=0)
        check_number("w1", w1)
        check_variant(variant)
        if kwargs.get("heads"):
            raise ValueError(
                "ReconBoost trains the maps of its fusion, which are its "
                "heads. Received: heads=True"
            )
        if fusion is None:
            fusion = "sum" if variant == "paper" else "shared"
        plan = stages.plan(tuple(encoders), rectify_epochs)
        super().__init__(
            encoders, num_classes, fusion=fusion, phases=tuple(plan), **kwargs
        )
        if not self.fusion.separate and not isinstance(self.fusion, Shared):
            raise ValueError(
                "ReconBoost sums logits of each modality alone: fusion='sum' "
                f"or 'shared'. Received: {type(self.fusion).__name__}"
            )
        self.plan = plan
        self.lam = lam
        self.alpha = alpha
        self.stage_epochs = stage_epochs
        self.rectify_epochs = rectify_epochs
        self.w1 = w1
        self.variant = variant
        # The epochs that were trained, and how many modalities have begun.
        self.trained = self.add_state("trained", dtype="int32")
        self.begun = self.add_state("begun", dtype="int32")
        self.boost_rate = None
        if variant == "code":
            self.boost_rate = self.add_weight(
                name="boost_rate",
                shape=(),
                dtype="float32",
                initializer="ones",
                autocast=False,
            )

    # Stages -------------------------------------------------------------------

    def on_epoch_begin(self, epoch, data):
        count = len(self.modalities)
        trained = int(ops.convert_to_numpy(self.trained))
        stage, rectifies, begins = stages.place(
            trained, self.stage_epochs, self.rectify_epochs
        )
        self.begun.assign(min(stage + 1, count))
        phase = stages.phase_at(stage, rectifies, count)
        if begins:
            active = [self.modalities.index(m) for m in self.plan[phase][0]]
            variables, groups = self.trainable_variables, [*active, count]
            restart(self.optimizer, variables, clock=True, groups=groups)
        self.set_phase(phase)

    def on_epoch_end(self, epoch, data, logs):
        self.trained.assign(int(ops.convert_to_numpy(self.trained)) + 1)

    # Prediction ---------------------------------------------------------------

    def unimodal_logits(self, features):
        return {
            name: self.fusion.own_logits(self.modalities.index(name), z)
            for name, z in features.items()
        }

    def combine(self, features, inputs, training=False):
        begun = ops.convert_to_tensor(self.begun)
        every = ops.arange(len(self.modalities), dtype="int32")
        # Before any training, all of them.
        members = ops.logical_or(every < begun, begun < 1)
        return self.ensemble(features, inputs, ops.cast(members, "float32"))

    def ensemble(self, features, inputs, members=None):
        """`Outputs` of the modalities in `features`; fuses the `members`."""
        unimodal = self.unimodal_logits(features)
        marked = self.presence(inputs).items()
        present = {k: marks for k, marks in marked if k in features}
        logits = self.summed(unimodal, present, members)
        return Outputs(features, unimodal, logits, present)

    def summed(self, unimodal, present, members=None):
        """r times the sum of logits, those that a row has, `(batch, classes)`.

        `members` is None, or float32 `(M,)` of 0 and 1.
        """
        logits, marks = stacked(unimodal, present)
        if marks is not None:
            logits = marks[:, :, None] * logits
        if members is not None:
            logits = members[:, None, None] * logits
        rate = 1.0 if self.boost_rate is None else self.boost_rate
        return rate * ops.sum(logits, axis=0)

    # The step -----------------------------------------------------------------

    def balanced_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        active, others = self.plan[self.phase]
        rectifies = self.phase.startswith("rectify")
        layers = [self.encoders[name] for name in active]
        layers += self.own_heads(active)
        variables = [v for one in layers for v in one.trainable_variables]
        rate = self.boost_rate
        if rectifies and rate is not None and rate.trainable:
            variables.append(self.boost_rate)
        known = {
            name: ops.stop_gradient(self.encode(name, batch.x, training=False))
            for name in others
        }

        def loss_fn():
            found = dict(known)
            for name in active:
                found[name] = self.encode(name, batch.x, training=True)
            ordered = {m: found[m] for m in self.modalities if m in found}
            outputs = self.ensemble(ordered, batch.x)
            if rectifies:
                loss = self.loss_object(
                    batch.y, outputs.logits, batch.sample_weight
                )
            else:
                loss = self.stage_loss(active[0], outputs, batch)
            own = [value for one in layers for value in one.losses]
            return loss + sum(own) / replicas(), outputs

        (loss,), outputs, (gradients,) = self.gradients(loss_fn, variables)
        self.track_gradient_norms(gradients, variables)
        self.scores(outputs, batch)
        self.apply_gradients(gradients, variables)
        return self.step_logs(loss, outputs, batch)

    def own_heads(self, names):
        """The layers that map features of these modalities to logits."""
        layers = self.fusion.own_layers()
        if not layers:
            return [self.fusion]
        return [layers[self.modalities.index(name)] for name in names]

    def stage_loss(self, name, outputs, batch):
        """The loss of the modality at turn, and of it alone."""
        own = outputs.unimodal[name]
        cost = self.loss_object.call(batch.y, own)
        phi, shared = self.others_of(name, outputs)
        divergence = shared * reconcilement(phi, own)
        weight = batch.weight * outputs.present.get(name, 1.0)
        self.track("reconcilement", divergence, weight)
        if self.variant == "code":
            w2 = self.lam * self.w1
            weights = label_weights(phi, batch.labels, self.w1, w2)
            alone = (self.w1 - w2) / self.num_classes
            cost = ops.where(shared > 0, weights, alone) * cost
            # No gradient goes through either side of the next term.
            own = ops.stop_gradient(own)
        else:
            cost = cost - self.lam * divergence
        before = self.modalities[self.modalities.index(name) - 1]
        if before != name and before in outputs.unimodal:
            memory = consolidation(own, outputs.unimodal[before])
            memory = outputs.present.get(before, 1.0) * memory
            self.track("consolidation", memory, weight)
            cost = cost + self.alpha * memory
        return self.row_mean(cost, self.own_weight(name, outputs, batch))

    def others_of(self, name, outputs):
        """Phi `(batch, classes)`, and 1 in the rows that have any of them."""
        others = {k: u for k, u in outputs.unimodal.items() if k != name}
        nothing = ops.zeros_like(outputs.logits)
        if not others:
            return nothing, nothing[:, 0]
        present = {k: v for k, v in outputs.present.items() if k in others}
        phi = self.summed(others, present)
        _, marks = stacked(others, present)
        if marks is None:
            return phi, ops.ones_like(nothing[:, 0])
        return phi, ops.max(marks, axis=0)

    def _metric_names(self):
        return [*super()._metric_names(), "reconcilement", "consolidation"]

    def get_config(self):
        return {
            **super().get_config(),
            "lam": self.lam,
            "alpha": self.alpha,
            "stage_epochs": self.stage_epochs,
            "rectify_epochs": self.rectify_epochs,
            "w1": self.w1,
            "variant": self.variant,
        }
