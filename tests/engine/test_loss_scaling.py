"""mixed_float16: true gradients, and overflowing steps that do nothing."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_balance as kb


def keeping(model, batch):
    """Joint training that keeps the gradients, whatever `blow` makes of it."""
    variables = model.trainable_variables

    def loss_fn():
        outputs = model.forward_pass(batch.x, training=True)
        loss = model.training_loss(outputs, batch)
        # `blow` overflows the gradient, not the loss.
        blow = ops.convert_to_tensor(model.kept["blow"][0])
        return loss + blow * (loss - ops.stop_gradient(loss)), outputs

    (loss,), outputs, (gradients,) = model.gradients(loss_fn, variables)
    model.keep("gradients", gradients)
    finite = model.all_finite(gradients)
    model.keep("finite", ops.cast(finite, "float32"))
    model.apply_gradients(gradients, variables)
    return model.step_logs(loss, outputs, batch)


NUMBERS = {"blow": (), "finite": ()}


def scaled_optimizer(**kwargs):
    return keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1, momentum=0.9), **kwargs
    )


def test_gradients_are_unscaled(problem, arrays):
    """Scaled by 2^15 inside, yet equal to those in NumPy."""
    model = problem.model(
        keeping,
        slots=("gradients",),
        numbers=NUMBERS,
        optimizer=scaled_optimizer(),
    )
    weights = arrays(model.trainable_variables)
    problem.fit(model)
    _, expected = problem.cross_entropy(*weights)
    after = arrays(model.trainable_variables)
    for kept, g, new, old in zip(
        model.read("gradients"), expected, after, weights, strict=True
    ):
        np.testing.assert_allclose(kept, g, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(new, old - 0.1 * g, rtol=1e-4, atol=1e-6)
    assert float(model.read("finite")) == 1


def test_half_precision_gradients_are_float32(problem, arrays, half_precision):
    model = problem.model(keeping, slots=("gradients",), numbers=NUMBERS)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    weights = arrays(model.trainable_variables)
    problem.fit(model)
    _, expected = problem.cross_entropy(*weights)
    for kept, g in zip(model.read("gradients"), expected, strict=True):
        assert np.linalg.norm(kept - g) < 0.01 * np.linalg.norm(g)


def test_an_overflow_skips_the_step_and_training_recovers(
    problem, arrays, half_precision
):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model = problem.model(
        keeping, slots=("gradients",), numbers=NUMBERS, optimizer=optimizer
    )
    problem.fit(model)
    inner = model.optimizer.inner_optimizer.variables
    before = arrays([*model.trainable_variables, *inner])
    scale = float(ops.convert_to_numpy(model.optimizer.dynamic_scale))
    model.kept["blow"][0].assign(1e38)
    problem.fit(model)
    assert float(model.read("finite")) == 0
    for a, v in zip(before, [*model.trainable_variables, *inner], strict=True):
        np.testing.assert_array_equal(a, ops.convert_to_numpy(v))
    halved = float(ops.convert_to_numpy(model.optimizer.dynamic_scale))
    assert halved == scale / 2
    model.kept["blow"][0].assign(0.0)
    problem.fit(model)
    assert float(model.read("finite")) == 1
    after = arrays(model.trainable_variables)
    assert all((a != b).any() for a, b in zip(before, after, strict=False))


class Overflowing(keras.layers.Layer):
    """The identity; its gradient is multiplied by the variable `factor`."""

    def build(self, shape):
        self.factor = self.add_weight(
            name="factor", shape=(), initializer="ones", trainable=False,
            autocast=False, dtype="float32",
        )  # fmt: skip

    def call(self, x):
        frozen = ops.stop_gradient(x)
        factor = ops.cast(self.factor, x.dtype)
        return frozen + factor * (x - frozen)


@pytest.mark.parametrize("apply_to", ["gradient", "update"])
@pytest.mark.parametrize("slug", ["joint", "ogm", "ogm-ge", "mlb"])
def test_methods_skip_an_overflow(
    slug, apply_to, problem, arrays, half_precision
):
    """No weight moves; noise of an infinite gradient is none."""
    arguments = {} if slug == "joint" else {"apply_to": apply_to}
    model = kb.methods.create(
        slug,
        encoders=problem.encoders(Overflowing),
        num_classes=3,
        **arguments,
    )
    model.build({k: (None, *v.shape[1:]) for k, v in problem.x.items()})
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    problem.fit(model)
    before = arrays(model.trainable_variables)
    factors = [e.layers[-1].factor for e in model.encoders.values()]
    for factor in factors:
        factor.assign(6e4)
    history = problem.fit(model)
    for a, v in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, ops.convert_to_numpy(v))
    assert all(np.isfinite(values).all() for values in history.values())
    for factor in factors:
        factor.assign(1.0)
    problem.fit(model)
    after = arrays(model.trainable_variables)
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    assert all(np.isfinite(a).all() for a in after)
