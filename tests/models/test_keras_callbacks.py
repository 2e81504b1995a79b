"""Callbacks of Keras work on the models as on any other."""

import csv

import keras
import numpy as np
import pytest
from keras import callbacks
from keras import ops


def rates(model):
    inner = getattr(model.optimizer, "optimizers", [model.optimizer])
    return [float(ops.convert_to_numpy(o.learning_rate)) for o in inner]


@pytest.fixture(params=["joint", "alternating", "alternating-epoch"])
def model(request, make):
    slug, *granularity = request.param.split("-")
    arguments = {"granularity": granularity[0]} if granularity else {}
    return make(slug, **arguments)


def fit(model, data, epochs, *given):
    x, y = data()
    return model.fit(
        x,
        y,
        validation_data=(x, y),
        epochs=epochs,
        batch_size=8,
        callbacks=list(given),
        verbose=0,
    ).history


def test_learning_rate_callbacks_reach_every_optimizer(model, data):
    schedule = callbacks.LearningRateScheduler(lambda epoch: 0.1 * 0.5**epoch)
    history = fit(model, data, 3, schedule)
    np.testing.assert_allclose(rates(model), 0.025, rtol=1e-6)
    # One optimizer's rate, or one key for each.
    keys = [key for key in history if key.startswith("learning_rate")]
    count = 1 if model.name.startswith("joint") else 3
    assert len(rates(model)) == len(keys) == count
    for key in keys:
        np.testing.assert_allclose(history[key], [0.1, 0.05, 0.025], rtol=1e-6)
    plateau = callbacks.ReduceLROnPlateau(
        "val_loss", factor=0.1, patience=1, min_delta=100.0, cooldown=0
    )
    fit(model, data, 2, plateau)
    np.testing.assert_allclose(rates(model), 0.0025, rtol=1e-6)


def test_a_rate_of_zero_stops_every_group(model, data):
    fit(model, data, 1)
    before = [np.array(ops.convert_to_numpy(v)) for v in model.weights]
    names = [v.name for v in model.weights]
    fit(model, data, 2, callbacks.LearningRateScheduler(lambda epoch: 0.0))
    for name, old, v in zip(names, before, model.weights, strict=True):
        if name not in ("epoch", "turn"):
            np.testing.assert_array_equal(old, ops.convert_to_numpy(v))


def test_early_stopping_brings_back_the_best(model, data):
    stop = callbacks.EarlyStopping(
        "val_loss", mode="max", patience=2, restore_best_weights=True
    )
    best = {}

    def keep(epoch, logs):
        model.sync_state()
        best[epoch] = [
            np.array(ops.convert_to_numpy(v)) for v in model.trainable_variables
        ]

    keeper = callbacks.LambdaCallback(on_epoch_end=keep)
    history = fit(model, data, 30, stop, keeper)
    assert len(history["loss"]) < 30
    chosen = int(np.argmax(history["val_loss"]))
    for a, v in zip(best[chosen], model.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, ops.convert_to_numpy(v))


def test_checkpoints_load(model, data, tmp_path):
    whole = callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    weights = callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5",
        monitor="val_loss",
        save_best_only=True,
        save_weights_only=True,
    )
    fit(model, data, 2, whole, weights)
    x, y = data()
    loaded = keras.models.load_model(tmp_path / "2.keras")
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)
    assert rates(loaded) == rates(model)
    first = keras.models.load_model(tmp_path / "1.keras")
    assert np.abs(first.predict(x, verbose=0) - expected).max() > 1e-4
    first.load_weights(tmp_path / "best.weights.h5")
    assert np.isfinite(first.predict(x, verbose=0)).all()


def test_csv_has_what_history_has(model, data, tmp_path):
    history = fit(model, data, 2, callbacks.CSVLogger(tmp_path / "log.csv"))
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert set(rows[0]) == {"epoch", *history}
    for name, values in history.items():
        column = [float(row[name]) for row in rows]
        np.testing.assert_allclose(column, values, rtol=1e-6)


def test_one_callback_that_is_no_list(make, data):
    x, y = data()
    seen = []
    one = callbacks.LambdaCallback(on_epoch_end=lambda e, logs: seen.append(e))
    make().fit(x, y, callbacks=one, verbose=0)
    assert seen == [0]
