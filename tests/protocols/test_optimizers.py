"""Optimizers and schedules, against torch.optim where it is installed."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_balance.protocols import optimizers
from keras_balance.protocols import schedules


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_three_steps_of_torch(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start = rng.normal(size=5).astype("float32")
    gradients = rng.normal(size=(3, 5)).astype("float32")
    config = optimizers.Optimizer(
        optimizer=name, learning_rate=0.1, momentum=0.8, weight_decay=0.3
    )
    ours = keras.Variable(start)
    optimizer = optimizers.optimizer(config)
    optimizer.build([ours])
    theirs = torch.nn.Parameter(torch.tensor(start))
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[name]
    more = {"momentum": 0.8} if name == "sgd" else {}
    other = kind([theirs], lr=0.1, weight_decay=0.3, **more)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [ours])
        theirs.grad = torch.tensor(gradient)
        other.step()
    # In float32, as Keras computes it, 1 - 0.999 is right to 5e-5.
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ours), theirs.detach().numpy(), atol=5e-6
    )


def test_one_step_down():
    config = schedules.StepDown(
        learning_rate=0.2, decay_epoch=3, decay_factor=0.5
    )
    rates = [schedules.step_down(config, epoch) for epoch in range(5)]
    assert rates == [0.2, 0.2, 0.2, 0.1, 0.1]


def test_configurations_combine():
    @dataclasses.dataclass(frozen=True)
    class Config(optimizers.Optimizer, schedules.StepDown):
        pass

    assert Config().decay_epoch and Config().momentum
