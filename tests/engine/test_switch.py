"""`switch`: branches run passes, differentiate, update and assign."""

import keras
import numpy as np
import pytest
from keras import ops


def branches(model, batch):
    """One per modality: its encoder takes a step on the joint loss."""

    def one(index):
        variables = [model.trainable_variables[index]]

        def loss_fn():
            outputs = model.forward_pass(batch.x, training=True)
            return model.training_loss(outputs, batch), outputs

        (loss,), outputs, (gradients,) = model.gradients(loss_fn, variables)
        model.apply_gradients(gradients, variables)
        turn = ops.convert_to_tensor(model.kept["turns"][0])
        model.keep("turns", turn + ops.one_hot(index, 2))
        # Not in alphabetical order, and with a structure inside.
        return {"visual": loss, "audio": {"y": index + 1.0, "b": loss}}, outputs

    return [lambda i=i: one(i) for i in range(2)]


def switched(model, batch):
    turns = ops.sum(ops.convert_to_tensor(model.kept["turns"][0]))
    index = ops.cast(turns, "int32") % 2
    values, outputs = model.switch(index, branches(model, batch))
    assert list(values) == ["visual", "audio"]
    assert list(values["audio"]) == ["y", "b"]
    assert list(outputs.features) == ["visual", "audio"]
    model.keep("seen", ops.cast(values["audio"]["y"], "float32"))
    return model.step_logs(values["visual"], outputs, batch)


def unswitched(model, batch):
    """The same, with the index that the test sets in Python."""
    values, outputs = branches(model, batch)[model.phases.index(model.phase)]()
    return model.step_logs(values["visual"], outputs, batch)


NUMBERS = {"turns": (2,), "seen": ()}


def optimizer():
    return keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01)


@pytest.mark.parametrize("precision", ["full", "half"])
def test_equals_the_branches_by_themselves(precision, problem, arrays, request):
    if precision == "half":
        request.getfixturevalue("half_precision")
    model = problem.model(switched, numbers=NUMBERS, optimizer=optimizer())
    history = problem.fit(model, epochs=2, batch_size=4)
    expected = problem.model(
        unswitched, numbers=NUMBERS, optimizer=optimizer(), phases=("0", "1")
    )
    for _ in range(2):
        for index in range(2):
            rows = slice(4 * index, 4 * index + 4)
            expected.set_phase(str(index))
            expected.train_on_batch(
                {k: v[rows] for k, v in problem.x.items()}, problem.y[rows]
            )
    for a, b in zip(
        arrays(model.trainable_variables),
        arrays(expected.trainable_variables),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.read("turns"), [2, 2])
    assert float(model.read("seen")) == 2
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("precision", ["full", "half"])
def test_several_steps_in_one_execution(precision, problem, arrays, request):
    if keras.config.backend() == "torch":
        pytest.skip("Keras refuses steps_per_execution on torch")
    if precision == "half":
        request.getfixturevalue("half_precision")
    weights = []
    for steps in (1, 2):
        model = problem.model(switched, numbers=NUMBERS)
        model.compile(optimizer=optimizer(), steps_per_execution=steps)
        problem.fit(model, epochs=2, batch_size=2)
        np.testing.assert_array_equal(model.read("turns"), [4, 4])
        weights.append(arrays(model.trainable_variables))
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
