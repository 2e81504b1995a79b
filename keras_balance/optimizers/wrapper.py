"""What the optimizers of this package share: they wrap other optimizers."""

import keras

serialize = keras.saving.serialize_keras_object
deserialize = keras.saving.deserialize_keras_object


def check_inner(optimizer):
    """Raise unless `optimizer` can be wrapped; return it.

    Raises:
        TypeError: it is not a Keras optimizer.
        ValueError: it is a LossScaleOptimizer, whose gradients would reach
            the wrapper still multiplied by the loss scale.
    """
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "expected a keras.optimizers.Optimizer, for instance "
            "keras.optimizers.SGD(1e-3). "
            f"Received: optimizer={optimizer!r}"
        )
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            "expected an optimizer without loss scaling inside: write "
            "LossScaleOptimizer(wrapper(optimizer)), or let compile() do it "
            "under mixed_float16. "
            f"Received: optimizer={optimizer!r}"
        )
    return optimizer


class Wrapper(keras.optimizers.Optimizer):
    """Base of optimizers that pass gradients on to others.

    A subclass sets its inner optimizers right after `super().__init__` and
    names them in `inner_optimizers`. Learning rate, loss scale and state are
    theirs. The wrapper's own `learning_rate` and iteration variables only
    satisfy the Keras base class; the latter counts the calls of `apply`.

    Variables are known by their index in the list that the optimizer was
    built on. A Variable must never be stored as an attribute here: Keras
    would track it as optimizer state, and JAX donate its buffer twice.
    """

    def __init__(self, name=None):
        super().__init__(learning_rate=0.0, name=name)

    def inner_optimizers(self):
        """Return the list of wrapped optimizers (empty before they exist)."""
        raise NotImplementedError

    @property
    def variables(self):
        inner = [v for o in self.inner_optimizers() for v in o.variables]
        return super().variables + inner

    def set_weights(self, weights):
        variables = self.variables
        if len(weights) != len(variables):
            raise ValueError(
                f"expected {len(variables)} arrays, one per variable of the "
                f"built optimizer. Received: len(weights)={len(weights)}"
            )
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)

    # Keras visits the inner optimizers too: each stores its own state once.
    def save_own_variables(self, store):
        for i, variable in enumerate(super().variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store):
        own = super().variables
        if len(store.keys()) != len(own):
            raise ValueError(
                f"expected {len(own)} saved variables for the optimizer "
                f"{self.name}. Received: {len(store.keys())}"
            )
        for i, variable in enumerate(own):
            variable.assign(store[str(i)])

    @property
    def learning_rate(self):
        return self.inner_optimizers()[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        for optimizer in self.inner_optimizers():
            optimizer.learning_rate = learning_rate

    @property
    def loss_scale_factor(self):
        inner = self.inner_optimizers()
        return inner[0].loss_scale_factor if inner else None

    @loss_scale_factor.setter
    def loss_scale_factor(self, factor):
        for optimizer in self.inner_optimizers():
            optimizer.loss_scale_factor = factor

    def match(self, gradients, variables):
        """Pair gradients with variables, building the optimizer if needed.

        Args:
            gradients: list of tensors or None.
            variables: list of Variables of the same length, all or some of
                those that the optimizer was built on; None means all.

        Returns:
            List of (gradient, variable, index), without the None gradients.

        Raises:
            ValueError: lengths differ, a variable is unknown, or every
                gradient is None.
        """
        gradients = list(gradients)
        if variables is None:
            if not self.built:
                raise ValueError(
                    "expected a built optimizer or the variables; call "
                    "optimizer.build(model.trainable_variables) first. "
                    "Received: trainable_variables=None"
                )
            variables = self._trainable_variables
        variables = list(variables)
        if len(gradients) != len(variables):
            raise ValueError(
                "expected one gradient (or None) per variable. Received: "
                f"{len(gradients)} gradients, {len(variables)} variables"
            )
        if not self.built:
            self.build(variables)
        # Keras's own check, with its own message.
        self._check_variables_are_known(variables)
        triples = [
            (g, v, self._get_variable_index(v))
            for g, v in zip(gradients, variables, strict=True)
            if g is not None
        ]
        if not triples:
            raise ValueError("No gradients provided for any variable.")
        return triples


class SingleWrapper(Wrapper):
    """Base of optimizers that wrap exactly one optimizer.

    Subclasses override `transform` (what happens to one gradient before the
    inner optimizer sees it) or `step` (what happens around its step).

    Args:
        optimizer: the `keras.optimizers.Optimizer` to wrap.
        name: optional name.
    """

    def __init__(self, optimizer, name=None):
        super().__init__(name=name)
        self.inner_optimizer = check_inner(optimizer)

    def inner_optimizers(self):
        # Empty while the base constructor runs.
        inner = getattr(self, "inner_optimizer", None)
        return [] if inner is None else [inner]

    @property
    def iterations(self):
        return self.inner_optimizer.iterations

    def build(self, variables):
        if self.built:
            return
        self.inner_optimizer.build(variables)
        super().build(variables)

    def apply(self, grads, trainable_variables=None):
        if len(grads) == 0:
            return
        triples = self.match(grads, trainable_variables)
        # Float8 scales arrive as "gradients" that replace the variable.
        gradients = [
            g
            if getattr(v, "overwrite_with_gradient", False)
            else self.transform(g, v, i)
            for g, v, i in triples
        ]
        self.step(gradients, [v for _, v, _ in triples])

    def transform(self, gradient, variable, index):
        """Return the gradient that the inner optimizer is to see."""
        return gradient

    def step(self, gradients, variables):
        """Step the inner optimizer; no gradient is None."""
        self.inner_optimizer.apply(gradients, variables)

    def finalize_variable_values(self, var_list):
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self):
        return {"optimizer": serialize(self.inner_optimizer), "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        inner = deserialize(
            config.pop("optimizer"), custom_objects=custom_objects
        )
        return cls(inner, **config)
