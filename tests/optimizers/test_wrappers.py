"""What every wrapping optimizer must do, one row per class."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_balance.optimizers.coupled_weight_decay import CoupledWeightDecay
from keras_balance.optimizers.gradient_noise import GradientNoise
from keras_balance.optimizers.per_modality import PerModality
from keras_balance.optimizers.update_scale import UpdateScale

GROUPS = [[0, 3], [1, 2]]
ROWS = {
    "update_scale": lambda inner: UpdateScale(inner, 0.5),
    "gradient_noise": lambda inner: GradientNoise(inner, seed=3),
    "coupled_weight_decay": lambda inner: CoupledWeightDecay(inner, 0.01),
    "per_modality": lambda inner: PerModality(inner, GROUPS),
    "nested": lambda inner: UpdateScale(
        GradientNoise(CoupledWeightDecay(inner, 0.01), seed=3), 0.5
    ),
    "apart_and_nested": lambda inner: PerModality(
        GradientNoise(CoupledWeightDecay(inner, 0.01), seed=3), GROUPS
    ),
}
# Those that, set so, must equal the optimizer they wrap.
NEUTRAL = {
    "update_scale": lambda inner: UpdateScale(inner, 1.0),
    "gradient_noise": lambda inner: GradientNoise(inner, 3, indices=[]),
    "coupled_weight_decay": lambda inner: CoupledWeightDecay(inner, 0.0),
    "per_modality": lambda inner: PerModality(inner, GROUPS),
}
INNER = {
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "clipped_schedule": lambda: keras.optimizers.AdamW(
        keras.optimizers.schedules.ExponentialDecay(0.01, 2, 0.5),
        clipnorm=0.5,
    ),
    "accumulation": lambda: keras.optimizers.SGD(
        0.1, momentum=0.9, gradient_accumulation_steps=2, clipvalue=0.05
    ),
}


@pytest.fixture(params=ROWS)
def wrap(request):
    return ROWS[request.param]


@pytest.fixture(params=INNER)
def inner(request):
    return INNER[request.param]


def test_compiled_equals_eager(wrap, inner, problem, assert_same):
    compiled = problem.trained(wrap(inner()))
    eager = problem.trained(wrap(inner()), run_eagerly=True)
    assert_same(compiled.variables, eager.variables, atol=1e-6)


def test_trains_and_continues_bit_equal_when_reloaded(
    wrap, inner, problem, assert_same, tmp_path
):
    model = problem.compiled(wrap(inner()))
    loss = problem.fit(model, epochs=8).history["loss"]
    assert loss[-1] < loss[0]
    tracked = [id(v) for v in model.optimizer.variables]
    assert len(tracked) == len(set(tracked))
    assert not set(tracked) & {id(v) for v in model.variables}
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.models.load_model(path)
    assert_same(model.optimizer.variables, loaded.optimizer.variables)
    problem.fit(model)
    problem.fit(loaded)
    assert_same(model.variables, loaded.variables)
    assert_same(model.optimizer.variables, loaded.optimizer.variables)


def test_config_round_trip(wrap, inner, problem, assert_same):
    optimizer = wrap(inner())
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(config))
    )
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    first, second = problem.trained(optimizer), problem.trained(again)
    assert_same(first.variables, second.variables)


def test_mixed_float16(wrap, problem, assert_same):
    half = problem.compiled(
        wrap(keras.optimizers.SGD(0.1, momentum=0.9)),
        problem.model(dtype_policy="mixed_float16"),
        auto_scale_loss=False,
    )
    half.compile(
        optimizer=keras.optimizers.LossScaleOptimizer(half.optimizer),
        loss=half.loss,
    )
    problem.fit(half)
    full = problem.trained(wrap(keras.optimizers.SGD(0.1, momentum=0.9)))
    assert_same(half.trainable_variables, full.trainable_variables, atol=2e-2)


def test_keras_wraps_it_under_the_mixed_float16_policy(wrap, problem, tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = problem.trained(wrap(keras.optimizers.Adam(0.01)))
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        path = str(tmp_path / "model.keras")
        model.save(path)
        loaded = keras.models.load_model(path)
        problem.fit(model)
        problem.fit(loaded)
    finally:
        keras.config.set_dtype_policy(before)
    for a, b in zip(
        model.variables + model.optimizer.variables,
        loaded.variables + loaded.optimizer.variables,
        strict=True,
    ):
        a, b = ops.convert_to_numpy(a), ops.convert_to_numpy(b)
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)


def test_an_infinite_gradient_under_loss_scale_changes_nothing(wrap, problem):
    model = problem.model()
    optimizer = keras.optimizers.LossScaleOptimizer(
        wrap(keras.optimizers.SGD(0.1, momentum=0.9))
    )
    variables = model.trainable_variables
    optimizer.build(variables)
    before = [ops.convert_to_numpy(v).copy() for v in variables]
    state = [
        ops.convert_to_numpy(v) for v in optimizer.inner_optimizer.variables
    ]
    gradients = problem.gradients(variables, 0)
    gradients[0] = gradients[0] + float("inf")
    if keras.backend.backend() == "jax":
        values, own = optimizer.stateless_apply(
            [v.value for v in optimizer.variables],
            gradients,
            [v.value for v in variables],
        )
        after = values
        state_after = own[-len(state) :]
    else:
        optimizer.apply(gradients, variables)
        after, state_after = variables, optimizer.inner_optimizer.variables
    for a, b in zip(before + state, [*after, *state_after], strict=True):
        np.testing.assert_array_equal(a, ops.convert_to_numpy(b))


@pytest.mark.parametrize("neutral", NEUTRAL)
def test_neutral_equals_the_inner_optimizer(
    neutral, inner, problem, assert_same
):
    wrapped = problem.trained(NEUTRAL[neutral](inner()), epochs=3)
    plain = problem.trained(inner(), epochs=3)
    # Per-variable clipping and element-wise rules do not see the groups.
    assert_same(wrapped.variables, plain.variables, atol=1e-7)


@pytest.mark.parametrize("name", ["gradient_noise", "per_modality"])
def test_neutral_keeps_averages(name, problem, assert_same):
    def inner():
        return keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)

    wrapped = problem.trained(NEUTRAL[name](inner()))
    plain = problem.trained(inner())
    assert_same(wrapped.variables, plain.variables, atol=1e-7)


def test_learning_rate_is_the_inner_ones(wrap):
    optimizer = wrap(keras.optimizers.SGD(0.1))
    assert float(ops.convert_to_numpy(optimizer.learning_rate)) == (
        pytest.approx(0.1)
    )
    optimizer.learning_rate = 0.25
    inner = optimizer
    while not isinstance(inner, keras.optimizers.SGD):
        inner = inner.inner_optimizers()[-1]
    assert float(ops.convert_to_numpy(inner.learning_rate)) == 0.25


def test_learning_rate_callbacks(wrap, problem):
    model = problem.compiled(wrap(keras.optimizers.SGD(0.1)))
    problem.fit(
        model,
        epochs=3,
        callbacks=[
            keras.callbacks.LearningRateScheduler(
                lambda epoch, rate: rate * 0.5 if epoch else rate
            )
        ],
    )
    rate = float(ops.convert_to_numpy(model.optimizer.learning_rate))
    assert rate == pytest.approx(0.025)
    problem.fit(
        model,
        epochs=2,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(
                "loss", factor=0.1, patience=1, min_delta=100.0, min_lr=0.0
            )
        ],
    )
    rate = float(ops.convert_to_numpy(model.optimizer.learning_rate))
    assert rate == pytest.approx(0.0025)


def test_none_gradients_are_skipped(wrap, problem):
    model = problem.model()
    variables = model.trainable_variables
    optimizer = wrap(keras.optimizers.AdamW(0.1, weight_decay=0.1))
    optimizer.build(variables)
    before = [ops.convert_to_numpy(v).copy() for v in variables]
    for step in range(3):
        gradients = problem.gradients(variables, step)
        gradients[1] = gradients[2] = None
        optimizer.apply(gradients)
    moved = [
        not np.array_equal(a, ops.convert_to_numpy(v))
        for a, v in zip(before, variables, strict=True)
    ]
    assert moved[0] and not moved[1] and not moved[2]


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="Keras refuses stateless_apply on TensorFlow",
)
def test_stateless_apply_equals_apply(wrap, problem):
    stateful, stateless = problem.model(), problem.model()
    first, second = [wrap(INNER["accumulation"]()) for _ in range(2)]
    first.build(stateful.trainable_variables)
    second.build(stateless.trainable_variables)
    step = second.stateless_apply
    if keras.backend.backend() == "jax":
        import jax

        step = jax.jit(step, donate_argnums=(0, 2))
    values = [ops.copy(v) for v in stateless.trainable_variables]
    state = [ops.copy(v) for v in second.variables]
    for k in range(4):
        gradients = problem.gradients(stateful.trainable_variables, k)
        first.apply(gradients)
        values, state = step(state, gradients, values)
    for a, b in zip(
        [*stateful.trainable_variables, *first.variables],
        [*values, *state],
        strict=True,
    ):
        a, b = ops.convert_to_numpy(a), ops.convert_to_numpy(b)
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_set_weights(wrap, problem, assert_same):
    one = problem.trained(wrap(keras.optimizers.Adam(0.01)))
    other = problem.compiled(wrap(keras.optimizers.Adam(0.01)))
    other.optimizer.build(other.trainable_variables)
    state = [ops.convert_to_numpy(v) for v in one.optimizer.variables]
    other.optimizer.set_weights(state)
    assert_same(one.optimizer.variables, other.optimizer.variables)
    with pytest.raises(ValueError, match="expected .* arrays"):
        other.optimizer.set_weights(state[:-1])


def test_embedding_gradients(wrap):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(5, 4),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
            keras.layers.Dense(2, use_bias=False),
        ]
    )
    assert len(model.trainable_variables) == 4
    model.compile(wrap(keras.optimizers.SGD(0.1)), loss="mse")
    before = ops.convert_to_numpy(model.trainable_variables[0]).copy()
    x = np.array([[0, 1, 2], [2, 1, 0]])
    model.fit(x, np.ones((2, 2)), epochs=2, verbose=0)
    after = ops.convert_to_numpy(model.trainable_variables[0])
    assert np.isfinite(after).all()
    assert not np.array_equal(before, after)


def test_bad_calls(wrap, problem):
    variables = problem.model().trainable_variables
    gradients = problem.gradients(variables, 0)
    optimizer = wrap(keras.optimizers.SGD(0.1))
    with pytest.raises(ValueError, match="expected a built optimizer"):
        optimizer.apply(gradients)
    optimizer.build(variables)
    with pytest.raises(ValueError, match="expected one gradient"):
        optimizer.apply(gradients[:2])
    with pytest.raises(ValueError, match="No gradients"):
        optimizer.apply([None] * 4)
    with pytest.raises(ValueError, match="Unknown variable"):
        optimizer.apply(gradients, problem.model().trainable_variables)


def test_bad_inner_optimizers(wrap):
    with pytest.raises(TypeError, match="expected a keras.optimizers"):
        wrap("sgd")
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    with pytest.raises(ValueError, match="without loss scaling inside"):
        wrap(scaled)
