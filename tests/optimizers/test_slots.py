"""`restart`: slots anew; rate, iterations and loss scale as they are."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_balance.optimizers import PerModality
from keras_balance.optimizers.slots import restart

MAKERS = {
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.1),
    "nadam": lambda: keras.optimizers.Nadam(0.1),
    "accumulating": lambda: keras.optimizers.SGD(
        0.1, momentum=0.9, gradient_accumulation_steps=2
    ),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.1), initial_scale=8.0
    ),
    "grouped": lambda: PerModality(
        keras.optimizers.Adam(0.1), groups=[[1], [0]]
    ),
}


def numpy(variable):
    return np.array(ops.convert_to_numpy(variable))


@pytest.mark.parametrize("name", MAKERS)
def test_slots_start_anew_and_the_rest_is_kept(name):
    variables = [
        keras.Variable(np.ones(shape, "float32")) for shape in ((2,), (3,))
    ]
    optimizer = MAKERS[name]()
    optimizer.build(variables)
    initial = [numpy(v) for v in optimizer.variables]
    # Keras on JAX cannot step a scaled one outside of a compiled step.
    stepped = getattr(optimizer, "inner_optimizer", optimizer)
    for _ in range(4):
        stepped.apply([ops.ones(v.shape) for v in variables], variables)
    optimizer.learning_rate = 0.05
    weights = [numpy(v) for v in variables]
    before = [numpy(v) for v in optimizer.variables]
    restart(optimizer, variables)
    kept = ("iteration", "learning_rate", "step_counter", "dynamic_scale")
    some = 0
    for v, first, then in zip(
        optimizer.variables, initial, before, strict=True
    ):
        if v.name in kept:
            np.testing.assert_array_equal(numpy(v), then)
            continue
        some += 1
        np.testing.assert_array_equal(numpy(v), first)
        assert name == "accumulating" or not np.array_equal(first, then)
    assert some >= 2
    assert float(numpy(optimizer.learning_rate)) == pytest.approx(0.05)
    for v, value in zip(variables, weights, strict=True):
        np.testing.assert_array_equal(numpy(v), value)


def test_an_optimizer_that_is_not_built_is_left_alone():
    optimizer = keras.optimizers.Adam(0.1)
    restart(optimizer, [])
    assert not optimizer.built


def test_averages_start_with_the_weights():
    variables = [
        keras.Variable(np.ones(shape, "float32")) for shape in ((2,), (3,))
    ]
    optimizer = keras.optimizers.Adam(0.1, use_ema=True)
    optimizer.build(variables)
    for _ in range(3):
        optimizer.apply([ops.ones(v.shape) for v in variables], variables)
    restart(optimizer, variables)
    averages = [v for v in optimizer.variables if v.name.endswith("_average")]
    for average, weight in zip(averages, variables, strict=True):
        np.testing.assert_array_equal(numpy(average), numpy(weight))


def test_groups_start_anew_alone():
    variables = [
        keras.Variable(np.ones(shape, "float32")) for shape in ((2,), (3,))
    ]
    optimizer = MAKERS["grouped"]()
    optimizer.build(variables)
    optimizer.apply([ops.ones(v.shape) for v in variables], variables)
    restart(optimizer, variables, clock=True, groups=[1])
    counts = [int(numpy(one.iterations)) for one in optimizer.optimizers]
    assert counts == [1, 0]
    moments = [numpy(v) for v in optimizer.optimizers[1].variables[2:]]
    assert moments[0].shape == (2,) and not any(m.any() for m in moments)


@pytest.mark.parametrize("scheduled", [False, True])
def test_the_clock_starts_anew_unless_a_schedule_counts_by_it(scheduled):
    rate = 0.1
    if scheduled:
        rate = keras.optimizers.schedules.PolynomialDecay(0.1, 100)
    variable = keras.Variable(np.ones(2, "float32"))
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build([variable])
    for _ in range(3):
        optimizer.apply([ops.ones(2)], [variable])
    restart(optimizer, [variable], clock=True)
    assert int(numpy(optimizer.iterations)) == (3 if scheduled else 0)
    moments = [v for v in optimizer.variables if v.shape == (2,)]
    assert len(moments) == 2 and not any(numpy(v).any() for v in moments)
