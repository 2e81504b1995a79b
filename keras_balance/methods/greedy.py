"""Greedy: balanced learning by the conditional learning speed.

Wu, Jastrzebski, Cho, Geras, "Characterizing and Overcoming the Greedy Nature of
Learning in Multi-modal Deep Neural Networks", ICML 2022, arXiv 2202.05306.

    e      = relu([GAP(X^1); ...; GAP(X^M)] W_s + b_s)        an MMTM unit
    X^m   <- sigmoid(e W^m + b^m) * X^m                       gate of m
    L      = sum_m CE(u^m, y),  prediction: f = mean_m u^m
    mu(P)  = |dL/dP|^2 / |P|^2        of a group of parameters
    s^m    = log10( sum_t mu(bypass^m) / sum_t mu(main^m) )
    d      = s^1 - s^2

main^m are encoder and head of modality m, bypass^m the unit's parameters for
its gate with the shared W_s, b_s; sums are over the normal steps so far. After
the warm-up, where |d| > epsilon, `steps` steps rebalance: the gate of the
modality that learns faster from the others than by itself (the first if d > 0)
is replaced by the mean of that gate over all past steps, so that its branch
learns by itself. Those steps add nothing to the sums. The random schedule draws
at each step, after the warm-up, which modality's gate is replaced, if any.

With more than two modalities there is one sum per modality, d = max s - min s,
as in a third party's code, and the largest s is rebalanced, which for two is
the paper's rule.

Where the released code differs (`variant="code"`): the running mean of the
second modality's gate takes up the first one's gate.

Values: epsilon 0.01, 5 steps, 2 epochs of warm-up, ratio 4, units after stages
2 to 4 of two ResNets (ModelNet40).
"""

import keras
from keras import ops

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.engine import replicas
from keras_balance.methods.greedy_joined import JoinedModel
from keras_balance.models import batch as batches

TINY = 1e-30
SCHEDULES = ("guided", "random")
NONE = -1


def learning_speed(gradients, values):
    """mu of a group: sum |g|^2 / sum |w|^2; 0 where all weights are 0."""
    if not gradients:
        return ops.zeros(())
    moved = sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in gradients)
    size = sum(ops.sum(ops.square(ops.cast(v, "float32"))) for v in values)
    return ops.where(size > 0, moved / ops.maximum(size, TINY), 0.0)


def speed_difference(bypass, main):
    """d and the modality to rebalance.

    Args:
        bypass: float32 `(M,)`, sums of mu of the parameters between.
        main: float32 `(M,)`, those of the branches.

    Returns:
        `(s, d, focus)`: `(M,)`, a scalar that is never negative, and the int32
        index of the largest s.
    """
    # log of the quotient of sums that may be 0.
    s = ops.log(ops.maximum(bypass, TINY)) - ops.log(ops.maximum(main, TINY))
    s = s / ops.log(ops.convert_to_tensor(10.0))
    return s, ops.max(s) - ops.min(s), ops.cast(ops.argmax(s), "int32")


@keras.saving.register_keras_serializable("keras_balance")
class Greedy(JoinedModel):
    """Joins branches by MMTM units, and cuts them where one leans on others.

    One forward and one backward pass a step, and a pass over the parameters
    for their norms. Encoders that are all `keras_balance.encoders.Staged` are
    joined after each stage that all have, or after `joined` ones; others are
    joined on their features. `<modality>_speed` is s^m, and
    `<modality>_rebalanced` the share of steps that replaced its gate.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        epsilon: float, the difference of speeds that is let be.
        steps: integer, how many steps a rebalancing lasts.
        warmup: integer, the epochs before the first one.
        ratio: integer, the units' hidden width is 2 / ratio of all channels.
        joined: tuple of indices of stages, from 0, with a unit after each; or
            None for all.
        schedule: "guided", or "random", the paper's control.
        data_format: of stages' maps: "channels_last", "channels_first", or
            None for `keras.config.image_data_format()`.
        variant: "paper", or "code" for what the authors' code does.
        seed: integer or None, seed of the random schedule.
        fusion: "mean", whose maps are the heads, or another fusion that gives
            each modality logits of its own parameters alone; the prediction
            is their mean.
        **kwargs: further arguments of `keras_balance.MultimodalModel`,
            without `heads`.

    Raises:
        ValueError: for values other than these; with `variant="code"`, where
            the first two modalities differ in channels at a unit.
    """

    tracked = ("speed", "rebalanced")

    def __init__(
        self,
        encoders,
        num_classes,
        epsilon=0.01,
        steps=5,
        warmup=2,
        ratio=4,
        joined=None,
        schedule="guided",
        data_format=None,
        variant="paper",
        seed=None,
        fusion="mean",
        **kwargs,
    ):
        check_number("epsilon", epsilon)
        check_count("steps", steps)
        check_count("warmup", warmup, least=0)
        check_count("ratio", ratio)
        check_choice("schedule", schedule, SCHEDULES)
        check_variant(variant)
        if kwargs.get("heads"):
            raise ValueError(
                "The heads of Greedy are the maps of fusion='mean'. Received: "
                "heads=True"
            )
        super().__init__(
            encoders,
            num_classes,
            ratio=ratio,
            joined=joined,
            data_format=data_format,
            fusion=fusion,
            **kwargs,
        )
        if not self.fusion.separate:
            raise ValueError(
                "Greedy needs a fusion in which no two modalities share a "
                f"parameter, fusion='mean'. Received: fusion={fusion!r}"
            )
        self.epsilon = epsilon
        self.steps = steps
        self.warmup = warmup
        self.schedule = schedule
        self.variant = variant
        self.seed = seed
        if schedule == "random":
            self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        super().build(input_shape)
        count = len(self.modalities)
        # The running mean of each gate, by unit and modality.
        self.gates = []
        for unit in self.units:
            self._check_widths(unit.channels)
            self.gates.append(
                [
                    self.add_state(f"{unit.name}_gate_{m}", (width,))
                    for m, width in enumerate(unit.channels)
                ]
            )
        # How many steps those means are of, by modality.
        self.past = self.add_state("past_steps", (count,))
        self.main = self.add_state("main_speeds", (count,))
        self.bypass = self.add_state("bypass_speeds", (count,))
        self.left = self.add_state("rebalancing_steps_left", dtype="int32")
        self.focus = self.add_state("focus", dtype="int32")

    def _check_widths(self, channels):
        if self.variant == "code" and len(set(channels[:2])) > 1:
            raise ValueError(
                "variant='code' gives the second modality the first one's "
                "running mean, so that both must have as many channels. "
                f"Received: {list(channels[:2])} channels"
            )

    def combine(self, features, inputs, training=False):
        outputs = super().combine(features, inputs, training=training)
        unimodal = {
            name: self.fusion.own_logits(m, features[name])
            for m, name in enumerate(self.modalities)
        }
        mean = sum(unimodal.values()) / len(unimodal)
        return outputs._replace(unimodal=unimodal, logits=mean)

    # The step -----------------------------------------------------------------

    def balanced_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        variables = self.moving_variables()
        focus = self.focus_of_step()

        def loss_fn():
            outputs, gates = self.run(
                batch.x,
                training=True,
                replace=lambda unit, gates: self.replaced(unit, gates, focus),
            )
            return self.training_loss(outputs, batch), (outputs, gates)

        (loss,), aux, (gradients,) = self.gradients(loss_fn, variables)
        outputs, gates = aux
        finite = self.all_finite(gradients)
        self.average_gates(gates, outputs, batch, finite)
        self.measure_speeds(gradients, variables, focus, finite)
        self.track_gradient_norms(gradients, variables)
        self.update(self.modulate(gradients, outputs, batch), variables)
        return self.step_logs(loss, outputs, batch)

    def training_loss(self, outputs, batch):
        losses = [
            self.unimodal_loss(name, outputs, batch) for name in self.modalities
        ]
        return sum(losses) + sum(self.losses) / replicas()

    def focus_of_step(self):
        """The modality to rebalance in this step, or NONE: int32 scalar."""
        after = ops.convert_to_tensor(self.epoch) >= self.warmup
        if self.schedule == "random":
            # One of no modality and each of them, alike.
            draw = keras.random.uniform((1,), seed=self.seed_generator)[0]
            chosen = ops.floor(draw * (len(self.modalities) + 1))
            focus = ops.cast(chosen, "int32") + NONE
        else:
            focus = ops.convert_to_tensor(self.focus)
            after = ops.convert_to_tensor(self.left) > 0
        return ops.where(after, focus, ops.full_like(focus, NONE))

    def replaced(self, unit, gates, focus):
        """The gates of a unit, that of `focus` being its running mean."""
        past = ops.convert_to_tensor(self.past)
        used = []
        for m, gate in enumerate(gates):
            mean = ops.convert_to_tensor(self.gates[unit][m])
            mean = ops.zeros_like(gate) + ops.cast(mean, gate.dtype)
            here = ops.logical_and(ops.equal(focus, m), past[m] > 0)
            used.append(ops.where(here, mean, gate))
        return used

    def average_gates(self, gates, outputs, batch, finite):
        """Takes the batch means of the gates into the running means."""
        past = ops.convert_to_tensor(self.past)
        weights = []
        for name in self.modalities:
            present = outputs.present.get(name)
            own = batch.weight if present is None else batch.weight * present
            weights.append(own)
        mass = self.sum_over_replicas(
            ops.stack([ops.sum(weight) for weight in weights])
        )
        for means, at_unit in zip(self.gates, gates, strict=True):
            for m, mean in enumerate(means):
                source = 0 if self.variant == "code" and m == 1 else m
                gate = ops.cast(at_unit[source], "float32")
                total = ops.sum(weights[source][:, None] * gate, axis=0)
                total = self.sum_over_replicas(total)
                new = total / ops.maximum(mass[source], 1e-8)
                old = ops.convert_to_tensor(mean)
                mixed = (old * past[m] + new) / (past[m] + 1)
                usable = ops.logical_and(finite, mass[source] > 0)
                mean.assign(ops.where(usable, mixed, old))
        counted = ops.logical_and(finite, mass > 0)
        self.past.assign(ops.where(counted, past + 1, past))

    def measure_speeds(self, gradients, variables, focus, finite):
        """Adds up mu in normal steps, and decides about the next ones."""
        main, bypass = self.speeds_of_step(gradients, variables)
        normal = ops.logical_and(ops.equal(focus, NONE), finite)
        added = ops.cast(normal, "float32")
        # where, not a product: speeds of a broken step are not numbers.
        main, bypass = [
            ops.convert_to_tensor(v)
            + ops.where(normal, added * new, ops.zeros_like(new))
            for v, new in ((self.main, main), (self.bypass, bypass))
        ]
        self.main.assign(main)
        self.bypass.assign(bypass)
        s, difference, fastest = speed_difference(bypass, main)
        for m, name in enumerate(self.modalities):
            cut = ops.cast(ops.equal(focus, m), "float32")
            self.track(f"{name}_speed", s[m])
            self.track(f"{name}_rebalanced", cut)
        if len(self.modalities) < 2:
            return
        after = ops.convert_to_tensor(self.epoch) >= self.warmup
        start = ops.logical_and(after, difference > self.epsilon)
        start = ops.logical_and(start, normal)
        left = ops.convert_to_tensor(self.left)
        running = ops.where(finite, ops.maximum(left - 1, 0), left)
        self.left.assign(
            ops.where(start, ops.full_like(left, self.steps), running)
        )
        old = ops.convert_to_tensor(self.focus)
        self.focus.assign(ops.where(start, fastest, old))

    def speeds_of_step(self, gradients, variables):
        """mu of main and bypass of every modality: `(M,)` twice."""
        index = {id(v): i for i, v in enumerate(variables)}
        found = [], []
        for m, name in enumerate(self.modalities):
            own = self.encoders[name].trainable_variables
            own = [*own, *self.fusion.own_variables(m)]
            between = [v for u in self.units for v in u.own_variables(m)]
            for speeds, group in zip(found, (own, between), strict=True):
                group = [v for v in group if id(v) in index]
                speeds.append(
                    learning_speed(
                        [gradients[index[id(v)]] for v in group], group
                    )
                )
        return ops.stack(found[0]), ops.stack(found[1])

    def get_config(self):
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "steps": self.steps,
            "warmup": self.warmup,
            "schedule": self.schedule,
            "variant": self.variant,
            "seed": self.seed,
        }
