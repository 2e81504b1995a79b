"""TensorFlow runs a graph in any order that its edges allow."""

import time

import keras
import numpy as np
import pytest
from keras import ops

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the other backends run a step in the order it is written",
)


def step_that_reads_late(model, batch):
    """Reads the head's bias long after the gradients are there.

    The read decides over one encoder's gradient alone, as a score does.
    """
    import tensorflow as tf

    variables = model.trainable_variables

    def loss_fn():
        outputs = model.forward_pass(batch.x, training=True)
        return model.training_loss(outputs, batch), outputs

    def wait(value):
        time.sleep(0.3)
        return value

    (loss,), outputs, (gradients,) = model.gradients(loss_fn, variables)
    waited = tf.numpy_function(wait, [loss], "float32")
    with tf.control_dependencies([waited]):
        handle = model.fusion.head.bias.value.handle
        bias = tf.raw_ops.ReadVariableOp(resource=handle, dtype="float32")
    model.keep("seen", bias)
    gradients[0] = gradients[0] * ops.where(ops.sum(bias) > 1e6, 2.0, 1.0)
    model.apply_gradients(gradients, variables)
    return model.step_logs(loss, outputs, batch)


def test_a_late_read_sees_the_weights_before_the_update(problem):
    model = problem.model(step_that_reads_late, numbers={"seen": (3,)})
    before = np.array(keras.ops.convert_to_numpy(model.fusion.head.bias))
    problem.fit(model)
    np.testing.assert_array_equal(model.read("seen"), before)
    assert np.any(model.fusion.head.bias.numpy() != before)
