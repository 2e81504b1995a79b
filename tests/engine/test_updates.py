"""`apply_gradients`: all the variables, or a part that alone moves."""

import keras
import numpy as np
import pytest

from keras_balance.optimizers import CoupledWeightDecay
from keras_balance.optimizers import PerModality

SUBSET = (1, 2)


def momentum():
    return keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)


def adamw():
    return keras.optimizers.AdamW(0.05, weight_decay=0.1)


def coupled():
    return CoupledWeightDecay(keras.optimizers.SGD(0.1, momentum=0.9), 0.1)


def grouped():
    return PerModality(momentum(), [[0], [1, 2], [3]])


def step_of_a_part(model, batch):
    """Updates all variables in the first epoch, then a part."""
    part = range(4) if model.phase == "all" else SUBSET
    variables = [model.trainable_variables[i] for i in part]

    def loss_fn():
        outputs = model.forward_pass(batch.x, training=True)
        return model.training_loss(outputs, batch), outputs

    (loss,), outputs, (gradients,) = model.gradients(loss_fn, variables)
    model.apply_gradients(gradients, variables)
    return model.step_logs(loss, outputs, batch)


@pytest.mark.parametrize("make", [momentum, adamw, coupled, grouped])
@pytest.mark.parametrize("precision", ["full", "half"])
def test_only_the_part_moves(make, precision, problem, arrays, request):
    if precision == "half":
        request.getfixturevalue("half_precision")
    model = problem.model(
        step_of_a_part, optimizer=make(), phases=("all", "part")
    )
    start = arrays(model.trainable_variables)
    problem.fit(model, batch_size=4)
    first = arrays(model.trainable_variables)
    assert all((a != b).any() for a, b in zip(start, first, strict=True))
    model.set_phase("part")
    problem.fit(model, epochs=2, batch_size=4)
    second = arrays(model.trainable_variables)
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        if i in SUBSET:
            assert np.abs(a - b).max() > 1e-4
        else:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "make",
    [
        momentum,
        adamw,
        coupled,
        lambda: keras.optimizers.SGD(0.1, clipnorm=0.05),
        lambda: keras.optimizers.Adam(0.1, global_clipnorm=0.05),
        lambda: keras.optimizers.SGD(0.1, clipvalue=0.02),
        lambda: keras.optimizers.SGD(
            0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
        ),
        lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5),
        lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
        lambda: keras.optimizers.SGD(0.1, loss_scale_factor=64.0),
        lambda: keras.optimizers.SGD(
            keras.optimizers.schedules.ExponentialDecay(0.2, 2, 0.5)
        ),
    ],
    ids=[
        "momentum", "adamw", "coupled", "clipnorm", "global_clipnorm",
        "clipvalue", "ema", "ema_at_the_end", "accumulation", "loss_scale",
        "schedule",
    ],
)  # fmt: skip
def test_what_an_optimizer_does_is_what_keras_does(
    make, problem, plain_step, arrays
):
    """The same weights as a plain model of Keras after `fit`."""
    model = problem.model(plain_step, optimizer=make())
    plain = problem.plain_model(model, problem.encoders())
    plain.compile(
        optimizer=make(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for one in (model, plain):
        problem.fit(one, epochs=3, batch_size=4)
    for a, b in zip(
        arrays(model.trainable_variables), arrays(plain.weights), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
