"""`input_gradients`: gradients of inputs that are differentiated again."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

NUMBERS = {"value": (), "by_visual": (8, 4), "by_audio": (8, 5)}


def penalized(model, batch):
    """A step whose loss is sum |d/dx sum tanh(f)^2|^2 and nothing else."""
    variables = model.trainable_variables
    inputs = [ops.convert_to_tensor(batch.x[n]) for n in ("visual", "audio")]

    def score(tensors):
        x = dict(zip(("visual", "audio"), tensors, strict=True))
        outputs = model.forward_pass(x, training=False)
        value = ops.sum(ops.square(ops.tanh(outputs.logits)))
        return value, value

    def loss_fn():
        outputs = model.forward_pass(batch.x, training=True)
        value, found = model.input_gradients(score, inputs)
        loss = sum(ops.sum(ops.square(g)) for g in found)
        return loss, (outputs, value, found)

    (loss,), (outputs, value, found), (gradients,) = model.gradients(
        loss_fn, variables
    )
    model.keep("value", value)
    model.keep("by_visual", found[0])
    model.keep("by_audio", found[1])
    model.keep("second", gradients)
    model.apply_gradients(gradients, variables)
    return model.step_logs(loss, outputs, batch)


class Reference:
    """The same for z = x W and concat, by hand, with difference quotients."""

    def __init__(self, x):
        self.x = x

    def first(self, weights):
        """Value, and gradients by the inputs."""
        visual, audio, kernel, bias = [w.astype("float64") for w in weights]
        z = np.concatenate(
            [self.x["visual"] @ visual, self.x["audio"] @ audio], 1
        )
        t = np.tanh(z @ kernel + bias)
        dz = (2 * t * (1 - t**2)) @ kernel.T
        return (t**2).sum(), dz[:, :2] @ visual.T, dz[:, 2:] @ audio.T

    def penalty(self, weights):
        _, visual, audio = self.first(weights)
        return (visual**2).sum() + (audio**2).sum()

    def second(self, weights, step=1e-5):
        """d penalty / d weights by central differences in float64."""
        weights = [w.astype("float64") for w in weights]
        found = []
        for w in weights:
            g = np.zeros_like(w)
            for i in np.ndindex(w.shape):
                kept = w[i]
                w[i] = kept + step
                above = self.penalty(weights)
                w[i] = kept - step
                g[i] = (above - self.penalty(weights)) / (2 * step)
                w[i] = kept
            found.append(g)
        return found


@pytest.mark.parametrize("jit", ["auto", False])
def test_first_and_second_order_values(problem, arrays, jit):
    model = problem.model(
        penalized, slots=("second",), numbers=NUMBERS, jit=jit
    )
    weights = [0.3 * w for w in arrays(model.trainable_variables)]
    for v, w in zip(model.trainable_variables, weights, strict=True):
        v.assign(w)
    problem.fit(model)
    reference = Reference(problem.x)
    value, visual, audio = reference.first(weights)
    np.testing.assert_allclose(model.read("value"), value, rtol=1e-5)
    for name, expected in (("by_visual", visual), ("by_audio", audio)):
        np.testing.assert_allclose(
            model.read(name), expected, rtol=1e-4, atol=1e-6
        )
    after = arrays(model.trainable_variables)
    second = reference.second(weights)
    for kept, new, old, g in zip(
        model.read("second"), after, weights, second, strict=True
    ):
        np.testing.assert_allclose(kept, g, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(new, old - 0.1 * g, rtol=1e-3, atol=1e-5)


def test_nothing_is_assigned_by_the_function(problem, arrays, plain_step):
    """A training-mode pass in it moves no statistic, metric or generator."""

    def step(model, batch):
        variables = model.trainable_variables
        tensors = [ops.convert_to_tensor(batch.x["visual"])]

        def score(tensors):
            model.track("visual_accuracy", ops.convert_to_tensor(7.0))
            model.epoch.assign(5)
            x = {**batch.x, "visual": tensors[0]}
            return ops.sum(model.forward_pass(x, training=True).logits), None

        def loss_fn():
            outputs = model.forward_pass(batch.x, training=True)
            loss = model.training_loss(outputs, batch)
            _, (gradient,) = model.input_gradients(score, tensors)
            return loss + 0.0 * ops.sum(ops.square(gradient)), outputs

        (loss,), outputs, (gradients,) = model.gradients(loss_fn, variables)
        model.apply_gradients(gradients, variables)
        return model.step_logs(loss, outputs, batch)

    encoders = [
        problem.encoders(
            layers.BatchNormalization, lambda: layers.Dropout(0.5, seed=3)
        )
        for _ in range(2)
    ]
    models = [
        problem.model(one, encoders=e)
        for one, e in zip((step, plain_step), encoders, strict=True)
    ]
    histories = [problem.fit(model, epochs=2) for model in models]
    assert histories[0] == histories[1]
    found, expected = [arrays(model.variables) for model in models]
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_an_input_that_plays_no_part_has_zero_gradient(problem):
    def step(model, batch):
        variables = model.trainable_variables
        one = ops.convert_to_tensor(batch.x["visual"])
        other = ops.convert_to_tensor(batch.x["audio"])

        def loss_fn():
            outputs = model.forward_pass(batch.x, training=True)
            _, found = model.input_gradients(
                lambda tensors: (ops.sum(ops.square(tensors[0])), None),
                [one, other],
            )
            _, constant = model.input_gradients(
                lambda tensors: (ops.ones(()), None), [one]
            )
            loss = model.training_loss(outputs, batch)
            return loss, (outputs, [*found, *constant])

        (loss,), (outputs, found), (gradients,) = model.gradients(
            loss_fn, variables
        )
        for name, value in zip(numbers, found, strict=True):
            model.keep(name, value)
        model.apply_gradients(gradients, variables)
        return model.step_logs(loss, outputs, batch)

    numbers = {"own": (8, 4), "other": (8, 5), "constant": (8, 4)}
    model = problem.model(step, numbers=numbers)
    problem.fit(model)
    np.testing.assert_allclose(
        model.read("own"), 2 * problem.x["visual"], rtol=1e-6
    )
    assert not model.read("other").any()
    assert not model.read("constant").any()


def test_the_loss_scale_plays_no_part(problem, half_precision):
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.01), initial_scale=16.0
    )
    model = problem.model(
        penalized, slots=("second",), numbers=NUMBERS, optimizer=optimizer
    )
    weights = [
        np.array(ops.convert_to_numpy(0.2 * v))
        for v in model.trainable_variables
    ]
    for v, w in zip(model.trainable_variables, weights, strict=True):
        v.assign(w)
    problem.fit(model)
    reference = Reference(problem.x)
    _, visual, _ = reference.first(weights)
    np.testing.assert_allclose(
        model.read("by_visual"), visual, rtol=0.05, atol=5e-3
    )
    for kept, g in zip(
        model.read("second"), reference.second(weights), strict=True
    ):
        np.testing.assert_allclose(kept, g, rtol=0.1, atol=0.02)
