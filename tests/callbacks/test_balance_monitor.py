"""BalanceMonitor: what it adds to the logs, its file, its warning."""

import csv
import warnings

import keras
import numpy as np
import pytest

import keras_balance as kb
from keras_balance.callbacks.balance_monitor import neglected


def _data(rows=120, seed=0):
    """Visual says the class outright; audio is noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    visual = 4.0 * np.eye(3)[y] + 0.1 * rng.normal(size=(rows, 3))
    x = {"audio": rng.normal(size=(rows, 4)), "visual": visual}
    return {name: v.astype("float32") for name, v in x.items()}, y


def _model():
    keras.utils.set_random_seed(0)
    model = kb.JointTraining(
        encoders={
            "audio": kb.encoders.dense((4,), features=4),
            "visual": kb.encoders.dense((3,), features=4),
        },
        num_classes=3,
    )
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    return model


def _fit(monitor, after=(), epochs=4, **options):
    x, y = _data()
    return _model().fit(
        x,
        y,
        batch_size=40,
        epochs=epochs,
        verbose=0,
        callbacks=[monitor, *after],
        **options,
    )


def test_probes_reach_history_and_the_callbacks_after_it(tmp_path):
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    data = (_data(), _data(60, seed=1))
    monitor = kb.callbacks.BalanceMonitor(probe_data=data, probe_every=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = _fit(monitor, [log]).history
    assert len(history["visual_probe_accuracy"]) == 2
    assert history["visual_probe_accuracy"][-1] == 1.0
    assert history["audio_probe_accuracy"][-1] < 0.7
    assert len(history["audio_gradient_norm"]) == 4


def test_training_is_the_same_with_it():
    x, y = _data()
    found = []
    probed = kb.callbacks.BalanceMonitor(
        probe_data=((x, y), (x, y)), probe_every=1
    )
    for callbacks in ([], [probed]):
        model = _model()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(
                x, y, batch_size=40, epochs=3, verbose=0, callbacks=callbacks
            )
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def _rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_file_has_a_row_an_epoch_and_modality(tmp_path):
    path = tmp_path / "balance.csv"
    monitor = kb.callbacks.BalanceMonitor(csv_path=path, patience=99)
    history = _fit(monitor, epochs=2).history
    rows = _rows(path)
    assert [(r["epoch"], r["modality"]) for r in rows] == [
        ("0", "audio"),
        ("0", "visual"),
        ("1", "audio"),
        ("1", "visual"),
    ]
    audio = [row for row in rows if row["modality"] == "audio"]
    norms = [float(row["gradient_norm"]) for row in audio]
    assert norms == pytest.approx(history["audio_gradient_norm"])
    # Going on keeps the rows before, starting again does not.
    _fit(monitor, epochs=3, initial_epoch=1)
    assert [r["epoch"] for r in _rows(path)] == list("001122")
    _fit(monitor, epochs=1)
    assert [r["epoch"] for r in _rows(path)] == list("00")


def test_one_warning_for_a_modality_that_stays_near_chance():
    monitor = kb.callbacks.BalanceMonitor(patience=2, threshold=0.5)
    with pytest.warns(UserWarning, match="'audio' is neglected") as found:
        _fit(monitor, epochs=8, validation_data=_data(300, seed=2))
    said = [w for w in found if "is neglected" in str(w.message)]
    assert len(said) == 1
    assert "for 2 epochs" in str(said[0].message)


@pytest.mark.parametrize(
    "accuracies, names",
    [
        ({"a": 0.12, "b": 0.9}, ["a"]),
        # 0.16 / 0.8 is the threshold itself.
        ({"a": 0.27, "b": 0.9}, []),
        ({"a": 0.1, "b": 0.18}, []),
        ({"a": 0.1, "b": 0.5, "c": 0.05}, ["a", "c"]),
        ({"a": 0.1}, []),
        ({}, []),
    ],
)
def test_who_is_neglected(accuracies, names):
    assert list(neglected(accuracies, 0.1, 0.2)) == names


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"probe_every": 0}, "probe_every=0"),
        ({"patience": 1.5}, "patience=1.5"),
        ({"threshold": 1.0}, "threshold=1.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        kb.callbacks.BalanceMonitor(**arguments)


def test_a_model_without_modalities():
    model = keras.Sequential([keras.layers.Dense(2)])
    model.compile(loss="mse")
    with pytest.raises(TypeError, match="Sequential"):
        model.fit(
            np.zeros((4, 2)),
            np.zeros((4, 2)),
            verbose=0,
            callbacks=[kb.callbacks.BalanceMonitor()],
        )
