"""The balanced step on JAX: state goes in and out, inside a scope.

Keras compiles `train_step(state, data)`. One scope over all the state makes
the step read like one with live variables; a nested scope must be given every
variable that is read in it, since scopes do not look into outer ones.
"""

import jax
import keras
from jax import numpy as jnp

from keras_balance.engine.base import BaseEngine
from keras_balance.engine.base import values_scope

# One for each shape.
TRACES = 2


class Engine(BaseEngine):
    def train_step(self, state, data):
        return _in_scope(
            self.balanced_step,
            data,
            state,
            (
                self.trainable_variables,
                self.non_trainable_variables,
                self.optimizer.variables,
                self.metrics_variables,
            ),
        )

    def test_step(self, state, data):
        return _in_scope(
            self.balanced_test_step,
            data,
            state,
            (
                self.trainable_variables,
                self.non_trainable_variables,
                self.metrics_variables,
            ),
        )

    def switch(self, index, branches):
        """Run `branches[index]`; a branch may differentiate and assign."""
        variables = self._all_variables()

        structures = []

        def pure(branch):
            def run(values):
                with values_scope(variables, values) as scope:
                    outputs = _flat(branch(), structures)
                return outputs, [scope.get_current_value(v) for v in variables]

            return run

        outputs, values = jax.lax.switch(
            index, [pure(b) for b in branches], [v.value for v in variables]
        )
        _assign(variables, values)
        return keras.tree.pack_sequence_as(structures[0], outputs)

    def sum_over_replicas(self, x):
        """`x` itself: sums over a sharded batch are global already."""
        return x

    def sync_state(self):
        """Give the variables the values that training has reached."""
        self.jax_state_sync()

    def _differentiate(self, loss_fn, variables):
        movable = [*self.non_trainable_variables, *self.metrics_variables]
        gradients, aux, moved = self._pull_back(
            loss_fn, variables, [v.value for v in variables], (), movable
        )
        _assign(movable, moved)
        return gradients, aux

    def _differentiate_at(self, loss_fn, variables, values, fixed):
        gradients, aux, _ = self._pull_back(
            loss_fn, variables, values, fixed, ()
        )
        return gradients, aux

    def _differentiate_inputs(self, fn, inputs):
        gradients, aux = jax.grad(fn, has_aux=True)(inputs)
        return aux, gradients

    def _pull_back(self, loss_fn, variables, values, fixed, movable):
        given = {id(v) for v in variables} | {id(v) for v, _ in fixed}
        others = [v for v in self._all_variables() if id(v) not in given]
        constants = [v.value for v in others] + [value for _, value in fixed]
        others += [v for v, _ in fixed]
        structures = []

        def pure(values):
            with values_scope(
                [*variables, *others], [*values, *constants]
            ) as scope:
                scaled, aux = loss_fn()
            moved = [scope.get_current_value(v) for v in movable]
            return scaled, (_flat(aux, structures), moved)

        scaled, pull_back, (aux, moved) = jax.vjp(pure, values, has_aux=True)
        gradients = []
        for i in range(len(scaled)):
            cotangents = [
                jnp.ones_like(loss) if i == j else jnp.zeros_like(loss)
                for j, loss in enumerate(scaled)
            ]
            gradients.append(pull_back(cotangents)[0])
        aux = keras.tree.pack_sequence_as(structures[0], aux)
        return gradients, aux, moved

    def _apply(self, gradients, variables):
        by_id = dict(zip(map(id, variables), gradients, strict=True))
        everything = self.trainable_variables
        values, optimizer_values = self.optimizer.stateless_apply(
            [v.value for v in self.optimizer.variables],
            [by_id.get(id(v)) for v in everything],
            [v.value for v in everything],
        )
        _assign(everything, values)
        _assign(self.optimizer.variables, optimizer_values)


def replicas():
    """One: a step sees the whole batch, however it is sharded."""
    return 1


def _in_scope(step, data, state, lists):
    variables = [v for one in lists for v in one]
    values = [value for one in state for value in one]
    with values_scope(variables, values) as scope:
        logs = step(data)
    return logs, tuple(
        [scope.get_current_value(v) for v in one] for one in lists
    )


def _flat(structure, structures):
    """Leaves for JAX, which would sort a dict; its order is kept aside."""
    structures.append(keras.tree.map_structure(lambda _: None, structure))
    return keras.tree.flatten(structure)


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
