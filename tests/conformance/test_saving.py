"""Saving, going on, precision and accumulation, for every method."""

import keras
import networks
import numpy as np
import pytest
import table


@pytest.fixture(params=table.SOME, ids=lambda row: row.id)
def row(request):
    return request.param


def fit(model, epochs, initial_epoch=0):
    data = networks.data(rows=32)
    return model.fit(
        *data,
        validation_data=data if model.needs_validation else None,
        batch_size=16,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=0,
    ).history


def test_saved_and_loaded_goes_on_as_uninterrupted(row, tmp_path):
    assert_goes_on(networks.reused(row, eager=True), tmp_path)


@pytest.mark.parametrize("row", table.SOME, ids=lambda row: row.id)
def test_goes_on_with_the_moments_of_adam(row, tmp_path):
    adam = keras.optimizers.Adam(0.01)
    assert_goes_on(networks.model(row, optimizer=adam, eager=True), tmp_path)


def assert_goes_on(model, tmp_path):
    """Training goes on after loading as if it had not been interrupted."""
    # Stops inside a round of turns, where there are turns.
    fit(model, epochs=3)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert type(loaded) is type(model)
    assert (
        networks.difference(networks.weights(model), networks.weights(loaded))
        == 0
    )
    history = fit(model, epochs=6, initial_epoch=3)
    again = fit(loaded, epochs=6, initial_epoch=3)
    difference = networks.difference(
        networks.weights(model), networks.weights(loaded)
    )
    assert difference == 0
    assert history == again


def test_mixed_precision(row):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = networks.model(row, eager=True)
        wrapped = keras.optimizers.LossScaleOptimizer
        assert isinstance(model.optimizer, wrapped)
        half = fit(model, epochs=3)
    finally:
        keras.config.set_dtype_policy(before)
    full = fit(networks.reused(row, eager=True), epochs=3)
    assert all(v.dtype == "float32" for v in model.trainable_variables)
    assert set(half) == set(full)
    for key in half:
        assert np.isfinite(half[key]).all(), key
    if not row.random:
        # Norms and scores are those of unscaled float32 gradients.
        for key in full:
            if key.endswith(("_score", "_gradient_norm", "loss")):
                np.testing.assert_allclose(
                    half[key], full[key], rtol=0.02, atol=0.01, err_msg=key
                )


def test_accumulation_moves_at_every_second_batch(row):
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    model = networks.model(
        row, optimizer=optimizer, normalize=False, eager=True
    )
    x, y = networks.data(rows=64)
    moved = []
    for start in range(0, 64, 16):
        rows = slice(start, start + 16)
        before = [np.array(w) for w in model.get_weights()]
        model.train_on_batch({k: v[rows] for k, v in x.items()}, y[rows])
        trainable = {v.path for v in model.trainable_variables}
        moved.append(
            any(
                not np.array_equal(old, keras.ops.convert_to_numpy(v))
                for old, v in zip(before, model.weights, strict=True)
                if v.path in trainable
            )
        )
    if row.alternates and row.phases == 1:
        # Turns by batch: each modality's second batch is the fourth or third.
        assert moved == [False, False, True, True]
    else:
        assert moved == [False, True, False, True]


def test_accumulated_halves_equal_the_whole_batch():
    x, y = networks.data(rows=32)
    half_optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    halves = networks.model(
        table.Row("joint"), optimizer=half_optimizer, normalize=False
    )
    whole = networks.model(
        table.Row("joint"), optimizer=keras.optimizers.SGD(0.1), normalize=False
    )
    halves.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    whole.fit(x, y, batch_size=32, shuffle=False, verbose=0)
    for a, b in zip(
        halves.trainable_variables, whole.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(a),
            keras.ops.convert_to_numpy(b),
            atol=1e-6,
        )
