"""The balanced step on TensorFlow: variables are live, a tape records."""

import keras
import tensorflow as tf

from keras_balance.engine.base import BaseEngine
from keras_balance.engine.base import values_scope

# Shapes are relaxed, but the very first function is traced twice.
TRACES = 3


class Engine(BaseEngine):
    def train_step(self, data):
        self._build_on(data)
        if not self.optimizer.built:
            # On all variables: a step may touch a part of them.
            with tf.init_scope():
                self.optimizer.build(self.trainable_variables)
        return self.balanced_step(data)

    def test_step(self, data):
        self._build_on(data)
        return self.balanced_test_step(data)

    def switch(self, index, branches):
        """Run `branches[index]`; a branch may differentiate and assign.

        Raises:
            RuntimeError: under a `tf.distribute` strategy, which cannot
                synchronize inside a branch.
        """
        if tf.distribute.has_strategy():
            raise RuntimeError(
                f"{type(self).__name__} chooses at each batch what to train, "
                "which TensorFlow cannot do inside a step under a strategy. "
                f"Received: {type(tf.distribute.get_strategy()).__name__}. "
                "Compile with steps_per_execution=1, train on one device, or "
                "on the jax backend with keras.distribution."
            )
        return tf.switch_case(tf.cast(index, "int32"), branches)

    def sum_over_replicas(self, x):
        """The sum over the replicas of a `tf.distribute` strategy."""
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return x
        return context.all_reduce(tf.distribute.ReduceOp.SUM, x)

    def sync_state(self):
        """Nothing to do: the variables are always up to date."""

    def _build_on(self, data):
        """Build the model; Keras leaves it to the first call here."""
        if self.built:
            return
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        shapes = keras.tree.map_structure(lambda t: (None, *t.shape[1:]), x)
        with tf.init_scope():
            self.build(shapes)

    def _differentiate(self, loss_fn, variables):
        sources = [v.value for v in variables]
        with tf.GradientTape(persistent=True) as tape:
            scaled, aux = loss_fn()
        return self._pull_back(tape, scaled, sources), aux

    def _differentiate_at(self, loss_fn, variables, values, fixed):
        values = [tf.convert_to_tensor(v) for v in values]
        others, other_values = zip(*fixed, strict=True) if fixed else ((), ())
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(values)
            with values_scope([*variables, *others], [*values, *other_values]):
                scaled, aux = loss_fn()
        return self._pull_back(tape, scaled, values), aux

    def _differentiate_inputs(self, fn, inputs):
        # The tape of `gradients`, around this one, records what it computes.
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value, aux = fn(inputs)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(value, inputs, unconnected_gradients=zero)
        return aux, gradients

    def _apply(self, gradients, variables):
        if replicas() > 1:
            # Keras sums over the replicas; these are sums already.
            gradients = [g / replicas() for g in gradients]
        self.optimizer.apply(all_before_any(gradients), variables)

    def _pull_back(self, tape, losses, sources):
        zero = tf.UnconnectedGradients.ZERO
        return [
            [
                # A lookup's gradient comes as slices.
                self.sum_over_replicas(tf.convert_to_tensor(g))
                for g in tape.gradient(
                    loss, sources, unconnected_gradients=zero
                )
            ]
            for loss in losses
        ]


def all_before_any(tensors):
    """The same tensors, none of which is had before all are computed.

    Keras reduces gradients over replicas in one IdentityN. TensorFlow's graph
    optimizer takes that for such an order, drops every "read before write" that
    the order implies, and then drops the IdentityN: an update of the head could
    overtake the forward pass that still had to read it. Here the order is real.
    """
    with tf.control_dependencies([tf.group(*tensors)]):
        return [tf.identity(tensor) for tensor in tensors]


def replicas():
    """How many replicas the batch is split over, each with its own step."""
    return tf.distribute.get_strategy().num_replicas_in_sync
