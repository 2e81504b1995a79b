"""IGM: interactive multimodal learning via flat gradient modification.

Jiang, Chi, Yang, "Interactive Multimodal Learning via Flat Gradient
Modification", IJCAI 2025; arXiv 2407.04587 under an earlier title.

The modalities are trained in turn, in long stages. After the stage of modality
v, for every linear map of its head, over the training rows i:

    C   = sum_i a_i a_i'                     a_i: what the map is given
    C   = U diag(l) U'
    T^v = U diag(s) U',   s_j = exp(-tau (l_j - min l) / (max l - min l))

and in the stage of the next modality a, with the map at the same place of its
own head:

    K   <- K - eta T^v dL/dK                 head of a
    theta_a <- theta_a - eta dL/d theta_a    encoder of a
    L    = max_{|e| <= rho} CE(u^a, y) at w + e      (SAM), w = (theta_a, K)

a_i `(dim,)`, T `(dim, dim)`, K `(dim, units)`. Directions in which the modality
before is sharp shrink, to exp(-tau) at most, and none is closed, as MLA's
projection closes them. With more than two modalities T is that of the one
trained just before. Maps of another input width are not filtered.

    prediction: p_i = mean_m softmax(u^m_i)

A stage begins with an optimizer that knows no steps, learning rate schedule
included. Features of a row come from the modalities that it has.

Where the released code differs (`variant="code"`): C is the sum over batches
of m m', m the mean of a batch; its largest eigenvalue is most of its trace, so
that T damps little but this one direction. SAM has rho 1e-10, below what
float32 resolves; what remains of it is a second loss. With f = 0.3, or 0
without SAM, r uniform and x' a random row of the batch,

    x~ = r x + (1 - r) x'
    L  = (1 - f) (r CE(u~, y) + (1 - r) CE(u~, y')) + f CE(u~, y)

A stage begins at the weights of the best epoch until then, by macro F1 of the
prediction, on validation data here and on test data there. There C also sees
augmented rows, and no last batch that is not full. Integers, such as tokens,
are not mixed.

Values: tau 0.4; stages of 25 epochs of audio and 50 of video in turn, six times
on CREMA-D and twice on Kinetics-Sounds, 10 and 30 on Twitter15; SGD 1e-2,
momentum 0.9, decay 1e-4, a tenth of the rate after 40 epochs, batches of 12.
The paper's rho is unknown to us; 0.05 is SAM's. Whether the paper goes back to
the best epoch is, too: `restart`.
"""

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.mechanisms.averages import Averaging
from keras_balance.mechanisms.one_at_a_time import OneAtATime
from keras_balance.mechanisms.sharpness import sharp_gradients
from keras_balance.methods.igm_best_epoch import BestEpoch
from keras_balance.methods.igm_head_inputs import input_moments
from keras_balance.methods.igm_head_inputs import linear_maps
from keras_balance.methods.igm_mixup import mixed
from keras_balance.methods.igm_mixup import partners
from keras_balance.models import batch as batches
from keras_balance.models import masks
from keras_balance.models.structures import is_floating
from keras_balance.optimizers.projections import flat_filter
from keras_balance.optimizers.projections import kept_share

# f, the share of the loss that stands for SAM in the code's variant.
FLAT_SHARE = 0.3


def stage_at(epoch, lengths):
    """The stage of an epoch, and the epoch's place in it.

    Args:
        epoch: integer, counted from 0.
        lengths: tuple of integers, lengths of successive stages, again and
            again.

    Returns:
        `(stage, place)`, integers counted from 0.
    """
    rounds, place = divmod(epoch, sum(lengths))
    stage = 0
    while place >= lengths[stage]:
        place -= lengths[stage]
        stage += 1
    return rounds * len(lengths) + stage, place


@keras.saving.register_keras_serializable("keras_balance")
class IGM(Averaging, OneAtATime):
    """Trains the modalities in long stages, with softly filtered gradients.

    A step is two forward and two backward passes of the encoder at turn, and
    one of each without SAM and in the code's variant; the others are neither
    run nor moved. A stage after the first begins with a forward pass of the
    modality before over the training data, and an eigendecomposition of a
    matrix of each width of its head. Memory: these matrices, and a copy of
    the model with `restart`. With M modalities each sees 1/M of the epochs.

    In `history`, `loss` is that of the modality at turn, and so are training
    metrics; those of validation are of the prediction.
    `<modality>_coefficient` is |T g| / |g| of its head, and 0 in others' turns.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        stage_epochs: integer, or sequence of the lengths of successive stages,
            taken again and again. Epochs are counted over all calls of `fit`.
        temperature: float, tau; 0 filters nothing.
        sam: boolean, whether the loss is sharpness-aware.
        rho: float, the radius of SAM; without a part in the code's variant.
        restart: boolean, whether a stage begins at the weights of the best
            epoch so far, or None for the variant's own.
        fusion: "late-mlp" or "sum", the heads: small networks or linear maps.
        seed: integer or None, of the mixing in the code's variant.
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these, and in `fit` without
            validation data where there are restarts.
        TypeError: in `fit`, for training data that reading uses up.
    """

    optimizer_per_modality = True
    tracked = ("coefficient",)

    def __init__(
        self,
        encoders,
        num_classes,
        stage_epochs=25,
        temperature=0.4,
        sam=True,
        rho=0.05,
        restart=None,
        fusion="late-mlp",
        seed=None,
        variant="paper",
        **kwargs,
    ):
        several = isinstance(stage_epochs, (list, tuple)) and stage_epochs
        lengths = tuple(stage_epochs) if several else (stage_epochs,)
        for length in lengths:
            check_count("stage_epochs", length)
        check_number("temperature", temperature)
        check_number("rho", rho)
        check_variant(variant)
        if kwargs.get("heads"):
            raise ValueError(
                "IGM trains the maps of fusion='late-mlp' or 'sum', which are "
                "its heads. Received: heads=True"
            )
        super().__init__(
            encoders,
            num_classes,
            fusion=fusion,
            phases=tuple(encoders),
            **kwargs,
        )
        if not self.fusion.separate:
            raise ValueError(
                "IGM needs a fusion in which no two modalities share a "
                "parameter, fusion='late-mlp' or 'sum'. Received: "
                f"{type(self.fusion).__name__}"
            )
        self.stage_epochs = stage_epochs
        self.lengths = lengths
        self.temperature = temperature
        self.sam = bool(sam)
        self.rho = rho
        self.restart = restart
        self.seed = seed
        self.variant = variant
        self.restarts = variant == "code" if restart is None else bool(restart)
        self.needs_validation = self.restarts
        if variant == "code":
            self.generator = keras.random.SeedGenerator(seed)
        # Epochs so far.
        self.trained = self.add_state("trained", dtype="int32")

    def build(self, input_shape):
        super().build(input_shape)
        self.filters = {}
        for i, name in enumerate(self.modalities):
            kernels, before = (
                [layer.kernel for layer in linear_maps(self.own_head(m))]
                for m in (name, self.modalities[i - 1])
            )
            self.filters[name] = [
                self.add_state(
                    f"{name}_filter_{place}",
                    (kernel.shape[0],) * 2,
                    keras.initializers.Identity(),
                )
                if self.filtered and kernel.shape[0] == other.shape[0]
                else None
                for place, (kernel, other) in enumerate(
                    zip(kernels, before, strict=True)
                )
            ]
        if self.restarts:
            parts = (*self.encoders.values(), self.fusion)
            weights = [v for part in parts for v in part.weights]
            self.best = BestEpoch(self, weights)

    @property
    def filtered(self):
        """Whether there is a modality before."""
        return len(self.modalities) > 1

    # Between epochs -----------------------------------------------------------

    def on_epoch_begin(self, epoch, data):
        trained = int(ops.convert_to_numpy(self.trained))
        stage, place = stage_at(trained, self.lengths)
        index = stage % len(self.modalities)
        if stage and not place and self.filtered:
            self.begin_stage(index, data)
        if self.restarts:
            self.best.begin()
        self.set_phase(self.modalities[index])

    def begin_stage(self, index, data):
        """Goes back to the best epoch, finds T, forgets momentum."""
        if self.restarts:
            self.best.restore()
        before = self.modalities[index - 1]
        found = input_moments(
            self, before, data.training_batches(), self.variant == "code"
        )
        filters = self.filters[self.modalities[index]]
        for variable, covariance in zip(filters, found, strict=True):
            if variable is not None:
                c = ops.convert_to_tensor(covariance)
                variable.assign(flat_filter(c, self.temperature))
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        if optimizer.built:
            optimizer.reset(index)

    def on_epoch_end(self, epoch, data, logs):
        trained = int(ops.convert_to_numpy(self.trained))
        self.trained.assign(trained + 1)
        if self.restarts:
            self.best.end()

    # Prediction ---------------------------------------------------------------

    def balanced_test_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        outputs = self.forward_pass(batch.x, training=False)
        loss = self.compute_loss(
            batch.x, batch.y, outputs.logits, batch.sample_weight
        )
        if self.restarts:
            self.best.count(outputs, batch)
        return self.of_validation(self.step_logs(loss, outputs, batch))

    # The step -----------------------------------------------------------------

    def balanced_step(self, data):
        batch = batches.unpack(data, self.num_classes)
        return self.train_one(self.phase, batch)

    def gradients(self, loss_fn, variables):
        plain = super().gradients
        if not self.sam or self.variant == "code":
            return plain(loss_fn, variables)
        return sharp_gradients(
            self, loss_fn, variables, self.rho, first_pass=plain
        )

    def modulate_one(self, name, gradients, variables):
        layers = linear_maps(self.own_head(name))
        by_kernel = {
            id(layer.kernel): matrix
            for layer, matrix in zip(layers, self.filters[name], strict=True)
            if matrix is not None
        }
        whole, part, found = [], [], []
        for g, v in zip(gradients, variables, strict=True):
            if id(v) in by_kernel:
                matrix = ops.convert_to_tensor(by_kernel[id(v)])
                whole.append(g)
                g = ops.matmul(matrix, g)
                part.append(g)
            found.append(g)
        share, weight = kept_share(whole, part) if whole else (1.0, None)
        self.track(f"{name}_coefficient", share, weight)
        return found

    def pass_one(self, name, batch):
        given = self.preprocess(name, batch.x, training=True)
        # Of tokens, or of a mask beside the values, there is no mixture.
        if self.variant == "paper" or not is_floating(given):
            return super().pass_one(name, batch)
        usable = batch.weight > 0
        if f"{name}_present" in batch.x:
            marks = self.presence(batch.x)[name]
            usable = ops.logical_and(usable, marks > 0)
        draws, share = self.draw(batch)
        partner = partners(draws, usable)
        given = keras.tree.map_structure(
            lambda x: masks.like(mixed(x, partner, share), x), given
        )
        features = self.encode_given(name, given, batch.x, training=True)
        outputs = self.outputs_of_one(name, features, batch.x)
        other = batch._replace(y=ops.take(batch.y, partner, axis=0))
        own = self.unimodal_loss(name, outputs, batch)
        others = self.unimodal_loss(name, outputs, other)
        both = share * own + (1.0 - share) * others
        flat = FLAT_SHARE if self.sam else 0.0
        return (1.0 - flat) * both + flat * own, outputs

    def draw(self, batch):
        """What orders the partners, `(batch,)`, and r, a scalar."""
        rows = ops.shape(batch.labels)[0]
        draws = keras.random.uniform((rows,), seed=self.generator)
        return draws, keras.random.uniform((), seed=self.generator)

    def get_config(self):
        return {
            **super().get_config(),
            "stage_epochs": self.stage_epochs,
            "temperature": self.temperature,
            "sam": self.sam,
            "rho": self.rho,
            "restart": self.restart,
            "seed": self.seed,
            "variant": self.variant,
        }
