"""Groups of variables that are stepped apart."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_balance as kb
from keras_balance.optimizers.coupled_weight_decay import CoupledWeightDecay
from keras_balance.optimizers.gradient_noise import GradientNoise
from keras_balance.optimizers.per_modality import PerModality

GROUPS = [[0, 3], [1, 2]]


def momentum_and_decay():
    return keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)


def adamw():
    return keras.optimizers.AdamW(0.01, weight_decay=0.1)


def coupled_and_noisy():
    return GradientNoise(
        CoupledWeightDecay(keras.optimizers.Adam(0.01), 0.1), seed=3
    )


def number(x):
    return float(ops.convert_to_numpy(x))


def numpy_of(variables):
    return [ops.convert_to_numpy(v).copy() for v in variables]


class Stepper:
    """Applies gradients the way each backend's trainer does."""

    def __init__(self, optimizer, variables):
        self.optimizer = optimizer
        self.variables = variables
        optimizer.build(variables)
        if keras.backend.backend() == "jax":
            import jax

            self.values = numpy_of(variables)
            self.state = numpy_of(optimizer.variables)
            self.jitted = jax.jit(optimizer.stateless_apply)
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            self.compiled = tf.function(self.apply)

    def __call__(self, gradients, group=None):
        """Step one group: a subset, or on JAX a list with None elsewhere."""
        every = range(len(self.variables))
        members = every if group is None else group
        if keras.backend.backend() == "jax":
            masked = [gradients[i] if i in members else None for i in every]
            self.values, self.state = self.jitted(
                self.state, masked, self.values
            )
            targets = [*self.variables, *self.optimizer.variables]
            for v, x in zip(targets, [*self.values, *self.state], strict=True):
                v.assign(x)
        elif keras.backend.backend() == "tensorflow":
            self.compiled(gradients, tuple(members))
        else:
            self.apply(gradients, members)

    def apply(self, gradients, members):
        self.optimizer.apply(
            [gradients[i] for i in members],
            [self.variables[i] for i in members],
        )


@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "loss_scale"])
@pytest.mark.parametrize("make", [momentum_and_decay, adamw, coupled_and_noisy])
def test_groups_left_out_do_not_move(make, scaled, problem):
    variables = problem.model().trainable_variables
    inner = PerModality(make(), GROUPS)
    optimizer = inner
    scale = 1.0
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(inner)
        scale = 2.0**15
    step = Stepper(optimizer, variables)
    for k in range(3):
        step(problem.gradients(variables, k, scale))
    weights = numpy_of(variables)
    second = numpy_of(inner.optimizers[1].variables)
    for k in range(3):
        step(problem.gradients(variables, k, scale), GROUPS[0])
    after = numpy_of(variables)
    for i in GROUPS[0]:
        assert np.abs(after[i] - weights[i]).max() > 1e-4
    for i in GROUPS[1]:
        np.testing.assert_array_equal(after[i], weights[i])
    for a, b in zip(
        second, numpy_of(inner.optimizers[1].variables), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert [number(o.iterations) for o in inner.optimizers] == [6, 3]
    assert number(inner.iterations) == 6


def test_each_group_equals_an_optimizer_of_its_own(problem, assert_same):
    """Groups stepped in turn: schedule, clip and accumulation are apart."""

    def make():
        return keras.optimizers.SGD(
            keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5),
            momentum=0.9,
            global_clipnorm=0.5,
            gradient_accumulation_steps=2,
        )

    together = problem.model().trainable_variables
    step = Stepper(PerModality(make(), GROUPS), together)
    for k in range(12):
        step(problem.gradients(together, k), GROUPS[0 if k % 3 else 1])
    alone = problem.model().trainable_variables
    for turn, group in enumerate(GROUPS):
        own = make()
        members = [alone[i] for i in group]
        own.build(members)
        for k in range(12):
            if (0 if k % 3 else 1) == turn:
                gradients = problem.gradients(alone, k)
                own.apply([gradients[i] for i in group])
    assert_same(together, alone, atol=1e-7)


@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "loss_scale"])
def test_saved_between_groups_continues_bit_equal(scaled, problem, tmp_path):
    def make():
        optimizer = PerModality(coupled_and_noisy(), GROUPS)
        if scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        return optimizer

    def some_steps(model, first):
        variables = model.trainable_variables
        scale = 2.0**15 if scaled else 1.0
        step = Stepper(model.optimizer, variables)
        for k in range(first, first + 5):
            step(problem.gradients(variables, k, scale), GROUPS[k % 2])

    model = problem.compiled(make(), auto_scale_loss=False)
    some_steps(model, 0)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.models.load_model(path)
    some_steps(model, 5)
    some_steps(loaded, 5)
    for a, b in zip(
        model.variables + model.optimizer.variables,
        loaded.variables + loaded.optimizer.variables,
        strict=True,
    ):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(a), ops.convert_to_numpy(b)
        )


def test_rates_are_set_together_or_apart(problem, assert_same):
    optimizer = PerModality(keras.optimizers.SGD(0.5), GROUPS)
    names = [o.name for o in optimizer.optimizers]
    assert len(set(names)) == 2
    optimizer.optimizers[1].learning_rate = 0.0
    again = PerModality.from_config(optimizer.get_config())
    rates = [number(o.learning_rate) for o in again.optimizers]
    assert rates == [0.5, 0.0] and number(again.learning_rate) == 0.5
    model = problem.model()
    before = numpy_of(model.trainable_variables)
    problem.fit(problem.compiled(again, model))
    after = numpy_of(model.trainable_variables)
    moved = [
        not np.array_equal(a, b) for a, b in zip(before, after, strict=True)
    ]
    assert moved == [True, False, False, True]
    again.learning_rate = 0.25
    assert [number(o.learning_rate) for o in again.optimizers] == [0.25] * 2


def test_a_list_of_different_optimizers(problem):
    optimizer = PerModality(
        [keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.1)], GROUPS
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    variables = problem.model().trainable_variables
    before = numpy_of(variables)
    again.build(variables)
    gradients = problem.gradients(variables, 0)
    again.apply(gradients)
    for i, (v, w, g) in enumerate(
        zip(numpy_of(variables), before, numpy_of(gradients), strict=True)
    ):
        expected = w - 0.1 * (np.sign(g) if i in GROUPS[1] else g)
        np.testing.assert_allclose(v, expected, atol=1e-4)


def test_groups_given_later(problem, assert_same):
    optimizer = PerModality(keras.optimizers.Adam(0.01))
    assert optimizer.groups is None
    again = PerModality.from_config(optimizer.get_config())
    with pytest.raises(ValueError, match="groups before the optimizer is bu"):
        again.build(problem.model().trainable_variables)
    optimizer.learning_rate = 0.02
    optimizer.set_groups(GROUPS)
    assert optimizer.groups == GROUPS
    later = problem.trained(optimizer)
    first = problem.trained(PerModality(keras.optimizers.Adam(0.02), GROUPS))
    assert_same(later.variables, first.variables)


def test_reset_restarts_one_group(problem):
    variables = problem.model().trainable_variables
    optimizer = PerModality(keras.optimizers.Nadam(0.01), GROUPS)
    optimizer.build(variables)
    fresh = [numpy_of(o.variables) for o in optimizer.optimizers]
    for k in range(3):
        optimizer.apply(problem.gradients(variables, k))
    optimizer.learning_rate = 0.5
    kept = numpy_of(optimizer.optimizers[0].variables)
    weights = numpy_of(variables)
    optimizer.reset(1)
    for a, v in zip(fresh[1], optimizer.optimizers[1].variables, strict=True):
        if "learning_rate" not in v.path:
            np.testing.assert_array_equal(a, ops.convert_to_numpy(v))
    assert number(optimizer.optimizers[1].learning_rate) == 0.5
    for a, v in zip(kept, optimizer.optimizers[0].variables, strict=True):
        np.testing.assert_array_equal(a, ops.convert_to_numpy(v))
    for a, v in zip(weights, variables, strict=True):
        np.testing.assert_array_equal(a, ops.convert_to_numpy(v))


def test_reset_between_epochs_of_a_fit(problem):
    optimizer = PerModality(keras.optimizers.Adam(0.01), GROUPS)
    model = problem.compiled(optimizer)
    restart = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: optimizer.reset(1)
    )
    problem.fit(model, epochs=1)
    problem.fit(model, epochs=2, callbacks=[restart])
    assert [number(o.iterations) for o in optimizer.optimizers] == [12, 4]


def test_averages_are_the_groups_own(problem):
    variables = problem.model().trainable_variables
    optimizer = PerModality(
        keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), GROUPS
    )
    optimizer.build(variables)
    before = numpy_of(variables)
    for k in range(2):
        optimizer.apply(problem.gradients(variables, k))
    last = numpy_of(variables)
    optimizer.finalize_variable_values(variables)
    for w, v, g in zip(numpy_of(variables), last, before, strict=True):
        assert not np.array_equal(w, v) and not np.array_equal(w, g)


def test_an_empty_group_is_allowed(problem, assert_same):
    three = problem.trained(
        PerModality(momentum_and_decay(), [[0, 3], [], [1, 2]])
    )
    two = problem.trained(PerModality(momentum_and_decay(), GROUPS))
    assert_same(three.variables, two.variables)


def test_bad_groups(problem):
    variables = problem.model().trainable_variables
    sgd = keras.optimizers.SGD
    for groups in ([[0, 1], [1, 2, 3]], [[0, 0]], [[-1]], [["a"]], [0, 1]):
        with pytest.raises(ValueError, match="different variable indices"):
            PerModality(sgd(0.1), groups)
    for groups in ([[0, 1], [2]], [[0, 1, 2, 3, 4]]):
        with pytest.raises(ValueError, match="exactly once"):
            PerModality(sgd(0.1), groups).build(variables)
    with pytest.raises(ValueError, match="one optimizer per group"):
        PerModality([sgd(0.1), sgd(0.1)], [[0], [1], [2, 3]])
    with pytest.raises(ValueError, match="an optimizer or a list"):
        PerModality([])
    with pytest.raises(ValueError, match="same loss_scale_factor"):
        PerModality([sgd(0.1), sgd(0.1, loss_scale_factor=2.0)])
    optimizer = PerModality(sgd(0.1), GROUPS)
    with pytest.raises(ValueError, match="given once"):
        optimizer.set_groups(GROUPS)


def test_a_model_names_its_groups():
    encoders = {
        name: keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        for name in ("audio", "visual")
    }
    model = kb.methods.create("joint", encoders=encoders, num_classes=2)
    rates = (0.1, 0.0, 0.0)
    model.compile(PerModality([keras.optimizers.SGD(rate) for rate in rates]))
    random = np.random.default_rng(0)
    x = {name: random.normal(size=(8, 3)) for name in encoders}
    model.build({name: (None, 3) for name in encoders})
    variables = model.trainable_variables
    before = [ops.convert_to_numpy(v).copy() for v in variables]
    model.fit(x, random.integers(0, 2, 8), epochs=1, verbose=0)
    after = [ops.convert_to_numpy(v) for v in variables]
    moved = [bool(np.any(a != b)) for a, b in zip(before, after, strict=True)]
    assert moved == [True, True, False, False, False, False]
