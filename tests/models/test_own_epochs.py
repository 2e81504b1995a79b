"""Epochs whose predictions are not the method's: nothing goes by them."""

import warnings

import keras
import numpy as np
import pytest
from keras import callbacks
from keras import ops

from keras_balance.callbacks import BalanceMonitor

# Method, its arguments, and in which of six epochs it predicts itself.
PHASED = [
    ("umt", {"teacher_epochs": 3}, [0, 0, 0, 1, 1, 1]),
    ("g2d", {"teacher_epochs": 2, "priority_epochs": 1}, [0, 0, 1, 1, 1, 1]),
    ("domfn", {"pretrain_epochs": 2}, [0, 0, 1, 1, 1, 1]),
    ("gblend-offline", {"super_epoch": 1}, [0, 0, 0, 1, 1, 1]),
    ("gblend-online", {"super_epoch": 1}, [0, 0, 0, 1, 0, 0]),
    ("igm", {"stage_epochs": 1}, [1, 1, 1, 1, 1, 1]),
    ("reconboost", {"stage_epochs": 1}, [1, 1, 1, 1, 1, 1]),
]
IDS = [row[0] for row in PHASED]


def fit(model, data, *extra, epochs=6):
    x, y = data()
    held_out = (x, (y + 1) % 3)
    return model.fit(
        x,
        y,
        validation_data=held_out,
        epochs=epochs,
        callbacks=list(extra),
        verbose=0,
    ).history


@pytest.mark.parametrize(("slug", "arguments", "own"), PHASED, ids=IDS)
def test_validation_logs_are_of_the_method(make, data, slug, arguments, own):
    logs, before = [], []
    seen = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, found: logs.append(dict(found))
    )
    model = make(slug, **arguments)
    before.append(model.epochs_before_own())
    history = fit(model, data, seen)
    found = [int("val_loss" in row) for row in logs]
    assert found == own
    assert before == [own.index(1)]
    assert len(history["loss"]) == 6
    assert len(history["val_accuracy"]) == sum(own)


def test_early_stopping_waits_for_the_student(make, data):
    model = make("umt", teacher_epochs=4)
    stop = callbacks.EarlyStopping(
        "val_loss", mode="max", patience=1, restore_best_weights=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of epochs without val_loss
        history = fit(model, data, stop, epochs=12)
    assert len(history["loss"]) > 5
    assert stop.stopped_epoch == 0 or stop.stopped_epoch > 4
    best = 4 + int(np.argmax(history["val_loss"]))
    assert stop.best_epoch == best


def test_the_best_checkpoint_is_a_students(make, data, tmp_path):
    model, (x, _) = make("umt", teacher_epochs=2), data()
    path, predicted = tmp_path / "best.keras", []
    keep = callbacks.ModelCheckpoint(
        path, monitor="val_loss", mode="max", save_best_only=True
    )
    seen = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: predicted.append(
            model.predict(x, verbose=0)
        )
    )
    with warnings.catch_warnings():
        # Keras keeps an epoch without val_loss until there is a better one.
        warnings.simplefilter("ignore")
        history = fit(model, data, keep, seen)
    best = 2 + int(np.argmax(history["val_loss"]))
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), predicted[best])


def test_the_monitor_watches_the_students(make, data, tmp_path):
    monitor = BalanceMonitor(csv_path=tmp_path / "balance.csv")
    fit(make("umt", teacher_epochs=2), data, monitor, epochs=4)
    lines = (tmp_path / "balance.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["2", "2", "3", "3"]


def test_too_few_epochs_are_said(make, data):
    with pytest.warns(UserWarning, match="first 4 epochs. Received: epochs=4"):
        fit(make("umt", teacher_epochs=4), data, epochs=4)


def test_a_schedule_runs_through_teachers_and_through_students(make, data):
    model = make("umt", teacher_epochs=4)
    spans = []
    seen = callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: spans.append(model.schedule_span(10))
    )
    fit(model, data, seen)
    assert spans == [(0, 4)] * 4 + [(4, 6)] * 2
    assert int(ops.convert_to_numpy(model.taught)) == 4
