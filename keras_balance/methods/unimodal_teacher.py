"""UMT: unimodal teachers, whose features a joint model is held to.

Du, Li, Liu, Wen, Hua, Wang, Zhao, "Improving Multi-Modal Learning with
Uni-Modal Teachers", arXiv 2106.11059 (2021); Du et al., "On Uni-Modal Feature
Learning in Supervised Multi-Modal Learning", ICML 2023, arXiv 2305.01233. To be
chosen where pairs of modalities tell more than each; see its other half, UME
(`keras_balance.methods.unimodal_ensemble`), where they do not.

    teachers: L = sum_m CE(t^m W^m + b^m, y)
    students: L = CE(f, y) + lambda sum_m MSE(h^m, t^m)

h^m `(batch, dim)` are the features of modality m, f `(batch, classes)` the
fused logits, and t^m `(batch, dim)` the features of the modality's teacher, an
encoder of the same kind that was trained alone with a head of its own. MSE is
the mean over the rows and the dimensions. Teacher and student see the same
augmented batch. The teachers are frozen and run as in prediction; no gradient
goes through them.

Features of trained encoders differ in scale from one data set to the next, by
a factor of ten, and lambda with them. `normalize=True`, our addition, divides
each MSE by the mean square of the teacher's features in the batch.

Values: `scaling` is lambda, 10 in BalanceBenchmark's code (arXiv 2502.10816).
The papers' values and lengths of training are unknown to us; the teachers are
trained to convergence.
"""

import keras
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.engine import replicas
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.checks import check_encoders
from keras_balance.models.checks import check_inputs
from keras_balance.models.multimodal import Outputs
from keras_balance.models.serialization import copied
from keras_balance.models.serialization import deserialized
from keras_balance.models.serialization import serialized
from keras_balance.models.structures import symbolic

TEACHERS, STUDENTS = "teachers", "students"
EPSILON = 1e-12


def distances(features, goals):
    """The mean square of h - t over the dimensions.

    Args:
        features: `(batch, dim)`, h.
        goals: float32 `(batch, dim)`, t.

    Returns:
        float32 `(batch,)`.
    """
    gap = ops.cast(features, "float32") - goals
    return ops.mean(ops.square(gap), axis=-1)


def check_teachers(teachers, encoders):
    """Raises ValueError where `teachers` are not one for each encoder."""
    check_encoders(teachers)
    if set(teachers) != set(encoders):
        raise ValueError(
            "teachers must be a dict with an encoder for each of "
            f"{list(encoders)}. Received: teachers={list(teachers)}"
        )
    shared = [k for k in teachers if teachers[k] in encoders.values()]
    if shared:
        raise ValueError(
            "A teacher must not be an encoder of the model, which moves. "
            f"Received: teachers={shared} from encoders"
        )


@keras.saving.register_keras_serializable("keras_balance")
class UniModalTeacher(BalancedModel):
    """Joint training in which features are held to those of teachers.

    Two forward passes and one backward pass a step. Without `teachers`, `fit`
    trains them first: copies of the encoders, from the same initial weights,
    for `teacher_epochs` epochs of one forward and one backward pass. `epochs`
    in `fit` counts both; the model itself moves only in those after them. In
    `history`, `phase` is 0 while the teachers are trained and 1 afterwards.
    Until then losses and metrics of training are the teachers', and there are
    none of validation, which would be of a model that was not trained:
    callbacks that stop or choose by `val_*` pass these epochs over (in a file
    name of `ModelCheckpoint` it cannot stand). Teachers and model have an
    optimizer each. `<modality>_distance` is the MSE. Memory: a copy of the
    encoders.

    Teachers are saved with the model. Prediction does without them.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        scaling: float, lambda.
        teachers: dict from each modality to a trained encoder, which is
            frozen, or None to train them.
        teacher_epochs: integer, the epochs in which they are trained.
        normalize: boolean, whether the scale of features plays no part.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these, and where the features of an
            encoder and its teacher differ in width.
    """

    tracked = ("distance",)

    def __init__(
        self,
        encoders,
        num_classes,
        scaling=10.0,
        teachers=None,
        teacher_epochs=10,
        normalize=False,
        **kwargs,
    ):
        check_number("scaling", scaling)
        check_count("teacher_epochs", teacher_epochs)
        check_encoders(encoders)
        given = teachers is not None
        if given:
            check_teachers(teachers, encoders)
        phases = (STUDENTS,) if given else (TEACHERS, STUDENTS)
        super().__init__(encoders, num_classes, phases=phases, **kwargs)
        self.scaling = scaling
        self.teacher_epochs = teacher_epochs
        self.normalize = bool(normalize)
        self.teachers_given = given
        self.optimizer_per_modality = not given
        self.teacher_heads = {}
        if given:
            self.teachers = {name: teachers[name] for name in self.modalities}
            for teacher in self.teachers.values():
                teacher.trainable = False
            return
        self.teachers = {
            name: copied(encoder) for name, encoder in self.encoders.items()
        }
        self.teacher_heads = {
            name: keras.layers.Dense(
                num_classes, dtype="float32", name=f"{name}_teacher_head"
            )
            for name in self.modalities
        }
        # How many epochs the teachers have been trained.
        self.taught = self.add_state("taught", dtype="int32")

    def build(self, input_shape):
        check_inputs(input_shape, self.modalities)
        # Before the rest, which tells the optimizers all variables.
        widths = []
        for name in self.modalities:
            shape = self.encoder_shape(name, input_shape[name])
            features = self.teachers[name](symbolic(shape))
            widths.append(features.shape[-1])
            head = self.teacher_heads.get(name)
            if head is not None and not head.built:
                head.build((None, widths[-1]))
        super().build(input_shape)
        for name, dim, width in zip(
            self.modalities, self.feature_dims, widths, strict=True
        ):
            if dim != width:
                raise ValueError(
                    "An encoder and its teacher must have features of one "
                    f"width. Received: encoders['{name}'] with {dim}, "
                    f"teachers['{name}'] with {width}. End one of them with "
                    "a Dense layer."
                )

    def quantized_layers(self):
        return [*super().quantized_layers(), *self.teachers.values()]

    # Phases -------------------------------------------------------------------

    def on_epoch_begin(self, epoch, data):
        if self.teachers_given:
            return
        taught = int(ops.convert_to_numpy(self.taught))
        if not taught:
            for name, teacher in self.teachers.items():
                pairs = zip(
                    teacher.weights, self.encoders[name].weights, strict=True
                )
                for own, initial in pairs:
                    own.assign(ops.convert_to_numpy(initial).copy())
        phase = TEACHERS if taught < self.teacher_epochs else STUDENTS
        if phase != self.phase:
            self.set_phase(phase)

    def on_epoch_end(self, epoch, data, logs):
        if self.phase == TEACHERS:
            taught = int(ops.convert_to_numpy(self.taught))
            self.taught.assign(taught + 1)

    @property
    def predicts_own(self):
        return self.phase == STUDENTS

    def epochs_before_own(self):
        return 0 if self.teachers_given else self.teacher_epochs

    def schedule_span(self, epochs):
        first = self.epochs_before_own()
        if self.phase == TEACHERS:
            return 0, first
        return first, epochs - first

    def optimizer_count(self):
        return 2

    def optimizer_groups(self):
        taught = {id(v) for v in self.teacher_variables()}
        groups = [[], []]
        for index, v in enumerate(self.trainable_variables):
            groups[id(v) in taught].append(index)
        return groups

    def teacher_variables(self):
        """What is trained in the first phase alone."""
        layers = (*self.teachers.values(), *self.teacher_heads.values())
        return [v for layer in layers for v in layer.trainable_variables]

    def moving_variables(self):
        taught = {id(v) for v in self.teacher_variables()}
        now = self.phase == TEACHERS
        return [
            v for v in super().moving_variables() if (id(v) in taught) == now
        ]

    # The step -----------------------------------------------------------------

    def training_pass(self, batch):
        given = {
            name: self.preprocess(name, batch.x, training=True)
            for name in self.modalities
        }
        if self.phase == TEACHERS:
            return self.teachers_pass(given, batch)
        features = {
            name: self.encode_given(name, x, batch.x, training=True)
            for name, x in given.items()
        }
        outputs = self.combine(features, batch.x, training=True)
        loss = self.loss_object(batch.y, outputs.logits, batch.sample_weight)
        goals = self.taught_features(given, batch)
        lesson, outputs = self.lesson(goals, outputs, batch)
        layers = (
            *self.encoders.values(),
            *self.heads.values(),
            *self.preprocessing.values(),
            self.fusion,
        )
        return loss + lesson + _added(layers), outputs

    def lesson(self, goals, outputs, batch):
        """What the teachers add to the loss, and the outputs.

        Args:
            goals: dict by modality, t^m.
            outputs: `Outputs` of the students.
            batch: `Batch`.
        """
        parts = [
            self.distance(name, goal, outputs, batch)
            for name, goal in goals.items()
        ]
        return self.scaling * sum(parts), outputs

    def teachers_pass(self, given, batch):
        """Each teacher's own loss; the logits are the mean of theirs."""
        features = self.taught_features(given, batch, training=True)
        unimodal = {
            name: ops.cast(self.teacher_heads[name](t), "float32")
            for name, t in features.items()
        }
        logits = sum(unimodal.values()) / len(unimodal)
        present = self.presence(batch.x)
        outputs = Outputs(features, unimodal, logits, present)
        losses = [self.unimodal_loss(m, outputs, batch) for m in features]
        layers = (*self.teachers.values(), *self.teacher_heads.values())
        if not self.has_unimodal_logits:
            # Then there are no metrics of them.
            outputs = outputs._replace(unimodal={})
        return sum(losses) + _added(layers), outputs

    def taught_features(self, given, batch, training=False):
        """t^m by modality, in float32."""
        features = {
            name: self.encode_given(
                name,
                x,
                batch.x,
                training=training,
                encoder=self.teachers[name],
            )
            for name, x in given.items()
        }
        return {k: ops.cast(t, "float32") for k, t in features.items()}

    def distance(self, name, goals, outputs, batch):
        """The mean over the rows that have the modality."""
        goals = ops.stop_gradient(goals)
        values = distances(outputs.features[name], goals)
        weight = batch.weight * outputs.present.get(name, 1.0)
        if self.normalize:
            squares = weight * ops.mean(ops.square(goals), axis=-1)
            total = self.sum_over_replicas(ops.sum(squares))
            count = self.sum_over_replicas(ops.sum(weight))
            scale = total / ops.maximum(count, 1e-8)
            # Where the teacher is silent there is nothing to compare with.
            values = values / ops.where(scale > EPSILON, scale, 1.0)
        self.track(f"{name}_distance", values, weight)
        rows = self.own_weight(name, outputs, batch)
        return self.row_mean(values, rows)

    def head_loss(self, outputs, batch):
        if self.phase == TEACHERS:
            return 0.0
        return super().head_loss(outputs, batch)

    def get_config(self):
        given = self.teachers if self.teachers_given else None
        return {
            **super().get_config(),
            "scaling": self.scaling,
            "teachers": serialized(given),
            "teacher_epochs": self.teacher_epochs,
            "normalize": self.normalize,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        teachers = deserialized(config.get("teachers"), custom_objects)
        config = {**config, "teachers": teachers}
        return super().from_config(config, custom_objects=custom_objects)


def _added(layers):
    """What layers add to the loss, of a replica's share."""
    return sum(value for one in layers for value in one.losses) / replicas()
