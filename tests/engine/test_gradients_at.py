"""`gradients_at`: a second pass at other weights, nothing assigned."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

RADIUS = 0.5


def perturbed(model, batch):
    """A step of SAM: the gradient at w + r g / |g| moves w."""
    variables = model.trainable_variables
    states = model.random_states()

    def loss_fn():
        outputs = model.forward_pass(batch.x, training=True)
        return model.training_loss(outputs, batch), outputs

    (loss,), outputs, (gradients,) = model.gradients(loss_fn, variables)
    values = climbed(variables, gradients)
    again = model.gradients_at(loss_fn, variables, values, fixed=states)
    model.keep("second", again.gradients[0])
    model.keep("losses", ops.stack([loss, again.losses[0]]))
    model.keep("first_logits", outputs.logits)
    model.keep("second_logits", again.aux.logits)
    model.apply_gradients(again.gradients[0], variables)
    return model.step_logs(loss, outputs, batch)


def climbed(variables, gradients):
    norm = ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients))
    return [
        ops.add(v, RADIUS / norm * g)
        for v, g in zip(variables, gradients, strict=True)
    ]


NUMBERS = {"losses": (2,), "first_logits": (8, 3), "second_logits": (8, 3)}


def test_is_the_gradient_at_the_other_weights(problem, arrays):
    model = problem.model(perturbed, slots=("second",), numbers=NUMBERS)
    weights = arrays(model.trainable_variables)
    problem.fit(model)
    loss, first = problem.cross_entropy(*weights)
    norm = np.sqrt(sum(np.sum(g**2) for g in first))
    moved = [w + RADIUS / norm * g for w, g in zip(weights, first, strict=True)]
    second_loss, second = problem.cross_entropy(*moved)
    assert second_loss > loss + 0.1
    np.testing.assert_allclose(
        model.read("losses"), [loss, second_loss], rtol=1e-5
    )
    after = arrays(model.trainable_variables)
    for kept, g in zip(model.read("second"), second, strict=True):
        np.testing.assert_allclose(kept, g, rtol=1e-4, atol=1e-6)
    for new, old, g in zip(after, weights, second, strict=True):
        np.testing.assert_allclose(new, old - 0.1 * g, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision", ["full", "half"])
def test_statistics_and_random_states_move_once(
    precision, problem, arrays, plain_step, request
):
    """The second pass leaves no trace but the weights' own step."""
    if precision == "half":
        request.getfixturevalue("half_precision")

    def build(step, **kwargs):
        optimizer = keras.optimizers.SGD(0.1)
        if precision == "half":
            # A scale at which no step is skipped.
            optimizer = keras.optimizers.LossScaleOptimizer(
                optimizer, initial_scale=256.0
            )
        return problem.model(
            step,
            optimizer=optimizer,
            encoders=problem.encoders(
                layers.BatchNormalization,
                lambda: layers.Dropout(0.5, seed=3),
            ),
            **kwargs,
        )

    sam = build(perturbed, slots=("second",), numbers=NUMBERS)
    joint = build(plain_step)
    for model in (sam, joint):
        problem.fit(model)
    states = [
        arrays(
            [v for v in m.non_trainable_variables if v.name.startswith("movi")]
            + [v for v, _ in m.random_states() if v is not None]
        )
        for m in (sam, joint)
    ]
    assert len(states[0]) == 6
    for a, b in zip(*states, strict=True):
        np.testing.assert_array_equal(a, b)
    assert float(ops.convert_to_numpy(sam.optimizer.iterations)) == 1


@pytest.mark.parametrize("seed", [3, None])
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "drawn"])
def test_dropout_masks_are_those_of_the_first_pass(fixed, seed, problem):
    """At the same weights, the same masks give the same logits."""

    def twice(model, batch):
        variables = model.trainable_variables
        states = model.random_states()

        def loss_fn():
            outputs = model.forward_pass(batch.x, training=True)
            return model.training_loss(outputs, batch), outputs

        (loss,), outputs, _ = model.gradients(loss_fn, variables)
        again = model.gradients_at(
            loss_fn,
            variables,
            [ops.convert_to_tensor(v) for v in variables],
            fixed=states if fixed else (),
        )
        model.keep("first_logits", outputs.logits)
        model.keep("second_logits", again.aux.logits)
        return model.step_logs(loss, outputs, batch)

    numbers = {k: v for k, v in NUMBERS.items() if k != "losses"}
    encoders = problem.encoders(lambda: layers.Dropout(0.5, seed=seed))
    model = problem.model(twice, encoders, numbers=numbers)
    problem.fit(model)
    first, second = (model.read(name) for name in numbers)
    assert np.allclose(first, second, atol=1e-6) == fixed
    # The next step draws other masks than this one did.
    problem.fit(model)
    assert not np.allclose(model.read("first_logits"), first, atol=1e-3)


def test_no_tensorflow_is_needed():
    """On JAX and torch TensorFlow is not even imported by the package."""
    if keras.config.backend() == "tensorflow":
        pytest.skip("this backend is TensorFlow")
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import keras, numpy as np, keras_balance as kb\n"
        "from keras import ops\n"
        "dense = {k: keras.layers.Dense(2) for k in 'ba'}\n"
        "model = kb.JointTraining(dense, 2)\n"
        "model.build({'a': (None, 3), 'b': (None, 3)})\n"
        "model.compile(keras.optimizers.SGD(0.1))\n"
        "x = {k: np.ones((4, 3), 'float32') for k in 'ab'}\n"
        "model.fit(x, np.zeros(4, 'int32'), verbose=0)\n"
        "v = model.trainable_variables\n"
        "def loss():\n"
        "    return ops.sum(ops.square(model(x))), None\n"
        "zeros = [np.zeros(w.shape, 'float32') for w in v]\n"
        "zeros = [ops.convert_to_tensor(z) for z in zeros]\n"
        "gradients = model.gradients_at(loss, v, zeros).gradients[0]\n"
        "assert not any(ops.any(g != 0) for g in gradients)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-2000:]
