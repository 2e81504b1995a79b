"""The accumulating metrics beside the NumPy ones, on the current backend."""

import keras
import numpy as np
import pytest

from keras_balance import metrics

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 4, 50)  # class 4 of five never occurs
LOGITS = RNG.normal(size=(50, 5)).astype("float32")
WEIGHTS = RNG.integers(0, 4, 50)


def _expected(repeats=None):
    """Of the samples, each as often as its weight."""
    labels, logits = LABELS, LOGITS
    if repeats is not None:
        labels = np.repeat(labels, repeats)
        logits = np.repeat(logits, repeats, axis=0)
    return {
        "ece": metrics.expected_calibration_error(
            labels, metrics.softmax(logits), bins=7
        ),
        "macro_f1": metrics.macro_f1(labels, logits),
    }


def _both():
    return [
        metrics.ExpectedCalibrationError(bins=7),
        metrics.MacroF1(num_classes=5),
    ]


def _results(found):
    return {metric.name: float(metric.result()) for metric in found}


def test_batches_add_up():
    found = _both()
    for rows in (slice(0, 20), slice(20, 49), slice(49, 50)):
        for metric in found:
            metric.update_state(LABELS[rows], LOGITS[rows])
    assert _results(found) == pytest.approx(_expected(), rel=1e-5)
    for metric in found:
        metric.reset_state()
    assert _results(found) == {"ece": 0.0, "macro_f1": 0.0}


@pytest.mark.parametrize("form", ["one-hot", "column"])
def test_weights_are_repetitions(form):
    labels = np.eye(5)[LABELS] if form == "one-hot" else LABELS[:, None]
    found = _both()
    for metric in found:
        metric.update_state(labels, LOGITS, sample_weight=WEIGHTS[:, None])
    assert _results(found) == pytest.approx(_expected(WEIGHTS), rel=1e-5)


def test_probabilities():
    metric = metrics.ExpectedCalibrationError(bins=7, from_logits=False)
    metric.update_state(LABELS, metrics.softmax(LOGITS))
    assert float(metric.result()) == pytest.approx(_expected()["ece"], rel=1e-5)


def test_a_bin_holds_its_upper_edge():
    metric = metrics.ExpectedCalibrationError(bins=4, from_logits=False)
    metric.update_state([0, 1, 1], [[0.5, 0.5], [0.75, 0.25], [0.0, 1.0]])
    counts = keras.ops.convert_to_numpy(metric.samples)
    assert counts.tolist() == [0, 1, 1, 1]


def test_compiled_in_fit_and_saved(tmp_path):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5)])
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=_both(),
    )
    kernel = model.layers[0].kernel
    kernel.assign(np.eye(5))
    shown = model.evaluate(
        LOGITS, LABELS, batch_size=16, verbose=0, return_dict=True
    )
    for name, value in _expected().items():
        assert shown[name] == pytest.approx(value, rel=1e-5)
    stop = keras.callbacks.EarlyStopping(monitor="macro_f1")
    history = model.fit(
        LOGITS, LABELS, batch_size=16, verbose=0, callbacks=[stop]
    ).history
    assert set(history) == {"loss", "ece", "macro_f1"}
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.evaluate(
        LOGITS, LABELS, verbose=0, return_dict=True
    ) == pytest.approx(
        model.evaluate(LOGITS, LABELS, verbose=0, return_dict=True), rel=1e-5
    )


@pytest.mark.parametrize("metric", _both(), ids=lambda m: m.name)
def test_configuration_comes_back(metric):
    again = type(metric).from_config(metric.get_config())
    assert again.get_config() == metric.get_config()
    stored = keras.saving.serialize_keras_object(metric)
    assert stored["registered_name"].startswith("keras_balance>")


def test_refused_arguments():
    with pytest.raises(ValueError, match="Received: bins=0"):
        metrics.ExpectedCalibrationError(bins=0)
    with pytest.raises(ValueError, match="Received: num_classes=0"):
        metrics.MacroF1(num_classes=0)
