"""What `compile`, `fit` and `evaluate` do beyond Keras's own."""

import functools
import inspect
import warnings

import keras

from keras_balance.engine import Engine
from keras_balance.models import batch as batches
from keras_balance.models import losses
from keras_balance.models.fit_data import FitData
from keras_balance.models.fit_data import split_off_validation
from keras_balance.models.method_hooks import MethodHooks
from keras_balance.models.method_hooks import check_arrays
from keras_balance.models.multimodal import MultimodalModel
from keras_balance.optimizers.per_modality import PerModality
from keras_balance.optimizers.per_modality import one_per_group


class PhasedTraining(Engine, MultimodalModel):
    """Keras's training, with checked data and a compiled step per phase.

    Args:
        encoders: see `MultimodalModel`.
        num_classes: see `MultimodalModel`.
        phases: names of the phases of `fit`.
        **kwargs: further arguments of `MultimodalModel`.
    """

    # Whether `compile` gives each modality an optimizer of its own.
    optimizer_per_modality = False

    def __init__(self, encoders, num_classes, phases=("train",), **kwargs):
        super().__init__(encoders, num_classes, **kwargs)
        self.phases = tuple(phases)
        self.phase = self.phases[0]
        self.epoch = self.add_state("epoch", dtype="int32")
        # How many labels were no class, how many marks neither 0 nor 1, and
        # how many losses not finite.
        self.faults = self.add_state("faults", (3,), dtype="int32")
        self.trackers = {}
        self._train_functions = {}
        self._evaluating = False

    def compile(self, optimizer="rmsprop", loss="auto", metrics=None, **kwargs):
        """Configures training.

        Args:
            optimizer: any Keras optimizer. A `PerModality` without groups is
                given those of the model: one for each modality, in order, and
                one for what they share.
            loss: "auto", which is the cross-entropy of logits for integer and
                for one-hot labels, or another classification loss on logits.
            metrics: as in `keras.Model.compile`.
            **kwargs: further arguments of `keras.Model.compile`.

        Raises:
            ValueError: for a loss that is not for classification or expects
                probabilities.
        """
        optimizer = keras.optimizers.get(optimizer)
        if self.optimizer_per_modality:
            optimizer = one_per_group(optimizer, self.optimizer_count())
        self.loss_object = losses.resolve(loss)
        self._train_functions = {}
        self._jit_compile_given = kwargs.get("jit_compile", "auto")
        super().compile(
            optimizer=optimizer,
            loss=self.loss_object,
            metrics=metrics,
            **kwargs,
        )
        if self.built:
            self._group_optimizer()

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:
            # Keras saves what "auto" means on this backend; true on torch is
            # torch.compile.
            config["jit_compile"] = self._jit_compile_given
        return config

    def compile_from_config(self, config):
        config = keras.saving.deserialize_keras_object(_portable(config))
        if self.built:
            config["optimizer"] = self._with_fitting_groups(config["optimizer"])
        self.compile(**config)
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        # Keras calls it to build, before a step has looked at the labels.
        batches.check_label_shape(getattr(y, "shape", None), self.num_classes)
        return super().compute_loss(
            x, y, y_pred, sample_weight, training=training
        )

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        batches.check_label_shape(getattr(y, "shape", None), self.num_classes)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def build(self, input_shape):
        super().build(input_shape)
        if self.compiled:
            self._group_optimizer()

    @functools.wraps(keras.Model.fit)
    def fit(self, *args, **kwargs):
        bound = inspect.signature(keras.Model.fit).bind(self, *args, **kwargs)
        arguments = dict(bound.arguments)
        arguments.pop("self")
        arguments = split_off_validation(arguments)
        data = FitData.of(arguments)
        if self.needs_validation and data.validation_data is None:
            raise ValueError(
                f"{type(self).__name__} decides by validation data. Received: "
                "validation_data=None. Pass validation_data=(x, y) or "
                "validation_split=0.1 to fit."
            )
        check_arrays(data.x, data.y, self)
        if data.validation_data is not None:
            check_arrays(*data.validation_data[:2], self)
        self._warn_of_too_few_epochs(arguments)
        arguments.update(self.training_data(data, arguments))
        arguments["callbacks"] = MethodHooks.added_to(
            arguments.get("callbacks"), data
        )
        return super().fit(**arguments)

    @functools.wraps(keras.Model.evaluate)
    def evaluate(self, *args, **kwargs):
        bound = inspect.signature(keras.Model.evaluate).bind(
            self, *args, **kwargs
        )
        arguments = dict(bound.arguments)
        arguments.pop("self")
        arguments.update(arguments.pop("kwargs", {}))
        arguments["callbacks"] = MethodHooks.added_to(
            arguments.get("callbacks"), None
        )
        self._evaluating = True
        try:
            return super().evaluate(**arguments)
        finally:
            self._evaluating = False

    def get_metrics_result(self):
        # What a step returns is of the last batch and of one replica; Keras
        # replaces it where this has the same keys.
        results = super().get_metrics_result()
        return self.of_validation(results) if self._evaluating else results

    def training_data(self, data, arguments):
        """What `fit` reads in the place of what it was given.

        Args:
            data: `FitData`, what it was given.
            arguments: dict, all arguments of `fit`.

        Returns:
            Dict of arguments of `fit` that replace others; empty by default.
        """
        return {}

    def make_train_function(self, force=False):
        """One compiled step per phase, made when the phase is first met."""
        if force or self.train_function is None:
            self._train_functions = {}
        if self.phase not in self._train_functions:
            # A fresh closure: compilers cache by equality, and two bound
            # methods of one object are equal.
            step = type(self).train_step
            self.train_step = lambda *args: step(self, *args)
            super().make_train_function(force=True)
            self._train_functions[self.phase] = self.train_function
        self.train_function = self._train_functions[self.phase]
        return self.train_function

    def set_phase(self, phase):
        """Switches the compiled step; called before an epoch."""
        self.phase = phase
        self.make_train_function()

    # Epochs -------------------------------------------------------------------

    @property
    def predicts_own(self):
        """Whether this epoch's predictions are the method's own.

        They are not while `fit` trains teachers or a branch that is undone:
        nothing may be selected, stopped or reported by them, and their `val_*`
        are left out of the logs.
        """
        return True

    def epochs_before_own(self):
        """How many epochs of a `fit` come before the first own prediction."""
        return 0

    def schedule_span(self, epochs):
        """Which epochs of a `fit` train what this epoch trains.

        Args:
            epochs: integer, those of the whole `fit`.

        Returns:
            `(first, count)`; a learning-rate schedule runs through them.
        """
        return 0, epochs

    def of_validation(self, logs):
        """Without the metrics that mean nothing outside training."""
        return {
            name: value
            for name, value in logs.items()
            if name not in self.trackers
            or name.endswith(("_accuracy", "_loss"))
        }

    def add_state(self, name, shape=(), initializer="zeros", dtype="float32"):
        """A variable of the method's own: saved with the model, not trained.

        Args:
            name: string.
            shape: tuple of integers.
            initializer: as in `keras.layers.Layer.add_weight`.
            dtype: string.
        """
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=dtype,
            initializer=initializer,
            trainable=False,
        )

    def optimizer_count(self):
        """How many optimizers `optimizer_per_modality` makes."""
        return len(self.modalities) + 1

    def optimizer_groups(self):
        """Which trainable variables each of them moves, as indices."""
        return self.variable_groups()

    def _warn_of_too_few_epochs(self, arguments):
        epochs, before = arguments.get("epochs", 1), self.epochs_before_own()
        if before and epochs <= before:
            warnings.warn(
                f"{type(self).__name__} predicts nothing of its own in its "
                f"first {before} epochs. Received: epochs={epochs}. Go on with "
                "fit until there are more, or shorten those before.",
                stacklevel=3,
            )

    def _with_fitting_groups(self, optimizer):
        """A saved optimizer, with groups made anew where variables changed.

        They do where layers were quantized or given LoRA weights after the
        model was compiled.
        """
        if not isinstance(optimizer, PerModality) or not optimizer.groups:
            return optimizer
        count = sum(map(len, optimizer.groups))
        if count == len(self.trainable_variables):
            return optimizer
        return PerModality(optimizer.optimizers, self.optimizer_groups())

    def _group_optimizer(self):
        """Tells a per-modality optimizer which variable is whose."""
        optimizer = self.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if isinstance(optimizer, PerModality) and optimizer.groups is None:
            optimizer.set_groups(self.optimizer_groups())


def _portable(config):
    """A saved configuration, without what ties it to one backend.

    On torch, Keras saves an optimizer as that backend's own class, which
    another one would load and fail to train with.
    """
    if isinstance(config, (list, tuple)):
        return [_portable(item) for item in config]
    if not isinstance(config, dict):
        return config
    config = {key: _portable(value) for key, value in config.items()}
    if ".torch.optimizers." in str(config.get("module")):
        config["module"] = "keras.optimizers"
    return config
