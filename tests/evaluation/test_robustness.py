"""Curves against numbers by hand and passes over noisy inputs."""

import keras
import networks
import numpy as np
import pytest
import table

import keras_balance as kb
from keras_balance.evaluation import masking
from keras_balance.evaluation import outputs
from keras_balance.evaluation import robustness as module
from keras_balance.evaluation.robustness import missing_curve
from keras_balance.evaluation.robustness import noise_curves
from keras_balance.evaluation.robustness import robustness
from keras_balance.evaluation.robustness import spreads

ROWS = 40


def test_missing_by_hand():
    labels = np.zeros(8, int)
    right, wrong = np.eye(2)[labels], np.eye(2)[1 - labels]
    curve = missing_curve(labels, right, wrong)
    assert [point["share"] for point in curve] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [point["accuracy"] for point in curve] == [1.0, 0.75, 0.5, 0.25, 0]


def test_a_larger_share_contains_the_smaller_ones():
    labels = np.zeros(100, int)
    whole, without = np.eye(2)[labels], np.eye(2)[labels]
    # The first ten to go are the only ones that the modality decides.
    order = np.random.default_rng(3).permutation(100)
    without[order[:10]] = [0.0, 1.0]
    curve = missing_curve(labels, whole, without, seed=3, shares=(0.1, 0.5, 1))
    assert [point["accuracy"] for point in curve] == [0.9, 0.9, 0.9]


def test_the_curves_start_at_the_accuracy_and_end_without_the_modality():
    model = networks.model(table.Row("joint"))
    x, y = networks.data(ROWS)
    found = outputs(model, (x, y))
    logits = masking.coalition_logits(model, (x, y), found)["input"]
    curves = robustness(model, (x, y), found, logits)
    whole = float((found["logits"].argmax(1) == y).mean())
    for name, other in (("audio", "visual"), ("visual", "audio")):
        assert curves[name]["noise"][0] == {"level": 0.0, "accuracy": whole}
        assert curves[name]["missing"][0] == {"share": 0.0, "accuracy": whole}
        alone = float((logits[(other,)].argmax(1) == y).mean())
        assert curves[name]["missing"][-1]["accuracy"] == alone
    repeated = robustness(model, (x, y), found, logits)
    assert repeated == curves


@pytest.mark.parametrize("slug", ["joint", "greedy"])
@pytest.mark.parametrize("rows_a_batch", [ROWS, 16])
def test_noise(slug, rows_a_batch, monkeypatch):
    monkeypatch.setattr(module.masking, "ROWS", rows_a_batch)
    model = networks.model(table.Row(slug))
    x, y = networks.data(ROWS)
    levels = (0.5, 3.0)
    found = noise_curves(model, (x, y), outputs(model, (x, y)), 7, levels)
    for place, name in enumerate(model.modalities):
        draw = np.random.default_rng([7, place]).standard_normal(
            x[name].shape, "float32"
        )
        for point, level in zip(found[name], levels, strict=True):
            noisy = {**x, name: x[name] + level * x[name].std() * draw}
            logits = model.predict(noisy, verbose=0)
            expected = float((logits.argmax(1) == y).mean())
            assert point["level"] == level
            # A row may lie on the edge of two classes.
            assert point["accuracy"] == pytest.approx(expected, abs=1 / ROWS)


def test_noise_hurts_what_the_model_uses():
    model = networks.model(table.Row("joint"))
    data = networks.data(200)
    model.fit(*data, epochs=15, shuffle=False, verbose=0)
    found = outputs(model, data)
    curve = noise_curves(model, data, found, levels=(0.0, 8.0))["audio"]
    assert curve[0]["accuracy"] > 0.8
    assert curve[1]["accuracy"] < curve[0]["accuracy"] - 0.2


def test_spread_is_of_what_the_encoder_is_given():
    scale = keras.layers.Rescaling(10.0, offset=5.0)
    row = table.Row("joint", {"preprocessing": {"visual": scale}})
    model = networks.model(row)
    x, y = networks.data(ROWS)
    halves = [
        ({k: v[i:j] for k, v in x.items()}, y[i:j])
        for i, j in ((0, 33), (33, ROWS))
    ]
    found = spreads(model, halves)
    assert found["audio"] == pytest.approx(x["audio"].std(), rel=1e-5)
    assert found["visual"] == pytest.approx(10 * x["visual"].std(), rel=1e-5)


def test_absent_rows_do_not_count():
    model = networks.model(table.Row("joint"))
    x, y = networks.data(ROWS)
    there = np.arange(ROWS) < 30
    marked = {**x, "audio": x["audio"].copy(), "audio_present": there}
    marked["audio"][~there] = np.nan
    found = spreads(model, (marked, y))
    assert found["audio"] == pytest.approx(x["audio"][:30].std(), rel=1e-5)
    curves = noise_curves(
        model, (marked, y), outputs(model, (marked, y)), levels=(1.0,)
    )
    assert 0 <= curves["audio"][0]["accuracy"] <= 1


def test_tokens_get_no_noise():
    tokens = keras.Sequential(
        [keras.layers.Embedding(9, 5), keras.layers.GlobalAveragePooling1D()]
    )
    x, y = networks.data(ROWS)
    words = np.random.default_rng(0).integers(0, 9, (ROWS, 4))
    model = kb.methods.create(
        "joint",
        encoders={"audio": networks.encoder("audio"), "text": tokens},
        num_classes=networks.CLASSES,
    )
    data = {"audio": x["audio"], "text": words.astype("int32")}, y
    curves = noise_curves(model, data, outputs(model, data))
    assert curves["text"] == [] and len(curves["audio"]) == 5
