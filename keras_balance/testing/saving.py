"""Saving and going on, mixed precision and accumulation."""

import pathlib
import tempfile

import keras
import numpy as np

from keras_balance.testing import expect
from keras_balance.testing import networks


def _fit(model, epochs, initial_epoch=0):
    data = networks.data(rows=32)
    return networks.fit(model, data, epochs=epochs, initial_epoch=initial_epoch)


def saved_and_loaded_goes_on_as_uninterrupted(row):
    _goes_on(networks.reused(row, eager=True))


def goes_on_with_the_moments_of_adam(row):
    adam = keras.optimizers.Adam(0.01)
    _goes_on(networks.model(row, optimizer=adam, eager=True))


def _goes_on(model):
    """Training goes on after loading as if it had not been interrupted."""
    # Stops inside a round of turns, where there are turns.
    _fit(model, epochs=3)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.models.load_model(path)
    expect.true(type(loaded) is type(model), f"loaded as {type(loaded)}")
    saved = networks.weights(model)
    expect.close(saved, networks.weights(loaded), 0, "saved and loaded weights")
    history = _fit(model, epochs=6, initial_epoch=3)
    again = _fit(loaded, epochs=6, initial_epoch=3)
    expect.close(
        networks.weights(model),
        networks.weights(loaded),
        0,
        "weights of training that went on and that was loaded",
    )
    expect.true(history == again, f"histories: {history} and {again}")


def mixed_precision(row):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = networks.model(row, eager=True)
        wrapped = keras.optimizers.LossScaleOptimizer
        expect.true(
            isinstance(model.optimizer, wrapped),
            f"the loss is not scaled: {type(model.optimizer)}",
        )
        half = _fit(model, epochs=3)
    finally:
        keras.config.set_dtype_policy(before)
    full = _fit(networks.reused(row, eager=True), epochs=3)
    for v in model.trainable_variables:
        expect.true(v.dtype == "float32", f"{v.path} is {v.dtype}")
    expect.true(set(half) == set(full), f"{set(half) ^ set(full)} in one only")
    expect.finite(half)
    if row.random:
        return
    # Norms and scores are those of unscaled float32 gradients.
    for key in full:
        if key.endswith(("_score", "_gradient_norm", "loss")):
            np.testing.assert_allclose(
                half[key], full[key], rtol=0.02, atol=0.01, err_msg=key
            )


def accumulation_moves_at_every_second_batch(row):
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    model = networks.model(
        row, optimizer=optimizer, normalize=False, eager=True
    )
    x, y = networks.data(rows=64)
    moved = []
    for start in range(0, 64, 16):
        rows = slice(start, start + 16)
        before = [networks.numpy(v) for v in model.trainable_variables]
        model.train_on_batch({k: v[rows] for k, v in x.items()}, y[rows])
        after = [networks.numpy(v) for v in model.trainable_variables]
        moved.append(networks.difference(before, after) > 0)
    expected = [False, True, False, True]
    if row.alternates and row.phases == 1:
        # Turns by batch: each modality's second batch is the fourth or third.
        expected = [False, False, True, True]
    expect.true(moved == expected, f"moved {moved}, expected {expected}")


CHECKS = (
    saved_and_loaded_goes_on_as_uninterrupted,
    goes_on_with_the_moments_of_adam,
    mixed_precision,
    accumulation_moves_at_every_second_batch,
)
