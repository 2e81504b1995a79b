"""What the adapters share, and what each primitive promises."""

from typing import Any
from typing import NamedTuple

import keras
from keras import ops


class Gradients(NamedTuple):
    """What `Engine.gradients` returns.

    Attributes:
        losses: list of scalar float32 losses, unscaled, in the order given;
            under a TensorFlow strategy each replica's share.
        aux: whatever else the loss function returned.
        gradients: one list per loss, each with one float32 gradient per
            variable (zeros where the loss does not depend on it), unscaled.
    """

    losses: list
    aux: Any
    gradients: list


class BaseEngine:
    """Primitives of a balanced step, mixed into a `keras.Model`.

    An adapter implements `train_step`, `test_step`, `switch`,
    `sum_over_replicas`, `sync_state`, and the private methods
    `_differentiate`, `_differentiate_at`, `_differentiate_inputs` and `_apply`.

    A model that mixes it in implements `balanced_step(data) -> logs` and
    `balanced_test_step(data) -> logs`, written with `keras.ops` and these
    primitives alone.
    """

    def gradients(self, loss_fn, variables):
        """Gradients of one or several losses that share a forward pass.

        Gradients are those of the whole batch, on every replica. Under loss
        scaling the losses are scaled before differentiation and
        the gradients divided by the scale afterwards, so a method always sees
        the true gradient. They may then hold inf or NaN: see `all_finite`.

        Args:
            loss_fn: callable without arguments that returns `(losses, aux)`;
                `losses` is a scalar or a list of scalars, `aux` any structure
                of tensors. What it assigns (BatchNormalization statistics,
                random states, metrics) is kept.
            variables: list of trainable variables.

        Returns:
            `Gradients`.
        """
        return self._unscaled(loss_fn, self._differentiate, variables)

    def gradients_at(self, loss_fn, variables, values, fixed=()):
        """`gradients` at other weights, with nothing assigned.

        Args:
            loss_fn: as in `gradients`; what it assigns is dropped.
            variables: list of trainable variables.
            values: list of tensors, the weights at which to differentiate.
            fixed: list of `(variable, value)` pairs read instead of what other
                variables hold now; `random_states()` taken before a first
                pass gives the second one the same dropout masks.

        Returns:
            `Gradients`.
        """

        def differentiate(scaled_loss_fn, variables):
            return self._differentiate_at(
                scaled_loss_fn, variables, values, fixed
            )

        return self._unscaled(loss_fn, differentiate, variables)

    def input_gradients(self, fn, inputs):
        """Gradients of a scalar with respect to tensors, differentiable.

        To be used in the loss function of `gradients`: what is computed from
        the result is differentiated once more. The loss scale plays no part.

        Args:
            fn: callable from a list of tensors to `(scalar, aux)`, with any
                structure of tensors as `aux`. It may run layers; what it
                assigns or adds as a loss is dropped, and it should draw no
                random numbers.
            inputs: list of floating-point tensors.

        Returns:
            `(aux, gradients)`, both differentiable: what `fn` returned, and a
            list with one gradient of the scalar per input, zeros where it
            does not depend on it.
        """
        variables = self._all_variables()
        values = [v.value for v in variables]

        def held(tensors):
            with values_scope(variables, values):
                value, aux = fn(tensors)
                return ops.cast(value, "float32"), aux

        return self._differentiate_inputs(held, list(inputs))

    def apply_gradients(self, gradients, variables):
        """One update of `variables` by the compiled optimizer.

        Variables that are not in the list do not move, on any backend: not by
        momentum, not by decay.

        Args:
            gradients: list of unscaled gradients.
            variables: list of trainable variables, all or a subset of those
                that the optimizer was built on.
        """
        scale = self._loss_scale()
        if scale is not None:
            gradients = [g * ops.cast(scale, g.dtype) for g in gradients]
        self._apply(gradients, variables)

    def random_states(self):
        """Current state of every random generator, for `gradients_at`.

        Returns:
            List of `(variable, value)` pairs; None stands for generators
            that belong to the backend.
        """
        weights = {id(w) for w in self.weights}
        return [
            (v, ops.copy(v.value))
            for v in self.variables
            if id(v) not in weights
        ]

    def all_finite(self, gradients):
        """Whether no gradient holds inf or NaN: a scalar boolean tensor."""
        if not gradients:
            return ops.convert_to_tensor(True)
        finite = [ops.all(ops.isfinite(g)) for g in gradients]
        return ops.all(ops.stack(finite))

    def _all_variables(self):
        return [
            *self.variables,
            *(self.optimizer.variables if self.optimizer else ()),
            *self.metrics_variables,
        ]

    def _loss_scale(self):
        """The scale of the loss, or None where losses are not scaled."""
        if self.optimizer is None:
            return None
        scale = self.optimizer.scale_loss(1.0)
        return None if isinstance(scale, float) and scale == 1.0 else scale

    def _unscaled(self, loss_fn, differentiate, variables):
        scale = self._loss_scale()

        def scaled_loss_fn():
            losses, aux = loss_fn()
            losses = [
                ops.cast(loss, "float32")
                for loss in (losses if isinstance(losses, list) else [losses])
            ]
            scaled = losses if scale is None else [x * scale for x in losses]
            return scaled, (losses, aux)

        gradients, (losses, aux) = differentiate(scaled_loss_fn, variables)
        if scale is not None:
            gradients = [
                [ops.cast(g, "float32") / scale for g in one_loss]
                for one_loss in gradients
            ]
        return Gradients(losses, aux, gradients)


class _Scope(keras.StatelessScope):
    """A scope in which an assigned value is a constant, as in a variable."""

    def add_update(self, update):
        variable, value = update
        super().add_update((variable, ops.stop_gradient(value)))


def values_scope(variables, values):
    """A scope in which `variables` read `values` and assignments are held.

    Losses from `add_loss` are collected: Keras drops them otherwise.
    """
    return _Scope(
        state_mapping=list(zip(variables, values, strict=True)),
        collect_losses=True,
    )
