"""The whole analysis of small models."""

import json

import networks
import numpy as np
import pytest
import table

import keras_balance as kb
from keras_balance.evaluation.analysis import analyse
from keras_balance.evaluation.analysis import contributions
from keras_balance.evaluation.analysis import probes

THREE = ("audio", "visual", "text")


def cut(data, start, stop):
    x, y = data
    return {k: v[start:stop] for k, v in x.items()}, y[start:stop]


def trained(row, modalities=("audio", "visual"), epochs=6):
    model = networks.model(row, modalities)
    data = networks.data(360, modalities)
    parts = {
        "train": cut(data, 0, 160),
        "validation": cut(data, 160, 260),
        "test": cut(data, 260, 360),
    }
    model.fit(
        *parts["train"], batch_size=32, epochs=epochs, shuffle=False, verbose=0
    )
    return model, parts


@pytest.fixture(scope="module")
def three():
    model, parts = trained(table.Row("joint"), THREE)
    return model, parts, analyse(model, parts)


def test_what_it_holds(three):
    _, _, found = three
    assert list(found) == [
        "masked",
        "masked_features",
        "shapley",
        "valuation",
        "probes",
        "probe_imbalance_ratio",
        "robustness",
    ]
    coalitions = ["", "audio", "visual", "text", "audio+visual"]
    coalitions += ["audio+text", "visual+text", "audio+visual+text"]
    assert list(found["masked"]) == list(found["masked_features"])
    assert list(found["masked"]) == coalitions
    assert set(found["probes"]) == {*THREE, "concat"}
    json.dumps(found, allow_nan=False)


def test_all_modalities_shown_is_the_model_itself(three):
    model, parts, found = three
    x, y = parts["test"]
    right = float((model.predict(x, verbose=0).argmax(1) == y).mean())
    assert found["masked"]["audio+visual+text"] == right
    assert found["masked_features"]["audio+visual+text"] == right


@pytest.mark.parametrize(
    ("kind", "key"), [("input", "masked"), ("features", "masked_features")]
)
def test_shapley_values_add_up(three, kind, key):
    found = three[2]
    phi = found["shapley"][kind]["contribution"]
    assert list(phi) == list(THREE)
    gained = found[key]["audio+visual+text"] - found[key][""]
    assert sum(phi.values()) == pytest.approx(gained)
    # The easy modality leads where the hard one is weak.
    assert phi["audio"] > phi["visual"]
    assert 0 <= found["shapley"][kind]["imbalance_degree"] <= 1


def test_values_of_samples_add_up(three):
    found = three[2]
    whole = found["masked_features"]["audio+visual+text"]
    assert sum(found["valuation"].values()) == pytest.approx(3 * whole)


def test_ratio_of_the_probes(three):
    found = three[2]
    audio, text = (found["probes"][m]["accuracy"] for m in ("audio", "text"))
    ratio = found["probe_imbalance_ratio"]["audio"]["text"]
    assert ratio == pytest.approx(audio / text)
    assert audio > 0.6


def test_outputs_are_not_computed_twice(three, monkeypatch):
    model, parts, found = three
    known = {k: kb.evaluation.outputs(model, v) for k, v in parts.items()}
    monkeypatch.setattr("keras_balance.evaluation.analysis.outputs", None)
    assert analyse(model, parts, known) == found


def test_contributions_by_hand():
    labels = np.tile([0, 1], 8)
    first, second = np.eye(2)[labels], np.eye(2)[1 - labels]
    zero = np.zeros((16, 2))
    # Zeros name class 0: right half the time. Audio always is, visual never.
    logits = {
        (): zero,
        ("audio",): first,
        ("visual",): second,
        ("audio", "visual"): first,
    }
    found = contributions(
        labels, {"input": logits, "features": logits}, ("audio", "visual")
    )
    phi = found["shapley"]["input"]["contribution"]
    assert phi == pytest.approx({"audio": 0.75, "visual": -0.25})
    assert found["shapley"]["input"]["imbalance_degree"] == 1.0
    # v(audio) = 1, v(visual) = 0, v(both) = 2 for both samples.
    assert found["valuation"] == pytest.approx({"audio": 1.5, "visual": 0.5})


def test_one_modality():
    model, parts = trained(table.Row("unimodal", {"modality": "audio"}))
    found = analyse(model, {**parts, "validation": None})
    assert set(found["probes"]) == {"audio"}
    assert set(found["masked"]) == {"", "audio"}
    json.dumps(found, allow_nan=False)


def test_probes_see_the_rows_that_have_their_modality():
    rng = np.random.default_rng(0)
    model = networks.model(table.Row("joint"))
    found = {}
    for part in ("train", "validation", "test"):
        labels = rng.integers(0, 3, 90)
        features = np.eye(3)[labels] + 0.1 * rng.normal(size=(90, 3))
        there = np.arange(90) % 2 == 0
        found[part] = {
            "labels": labels,
            "logits": np.zeros((90, 3)),
            "features/audio": features * there[:, None],
            "features/visual": rng.normal(size=(90, 3)),
            "present/audio": there,
        }
    results = probes(model, found)
    # Zeros of every other row would leave one class for a third of them.
    assert results["audio"]["accuracy"] == 1.0
    assert results["concat"]["accuracy"] < 0.95
    found["validation"]["present/audio"][:] = False
    assert "audio" not in probes(model, found)


def test_labels_may_be_one_hot():
    model, parts = trained(table.Row("joint"), epochs=2)
    hot = {k: (x, np.eye(3)[y]) for k, (x, y) in parts.items()}
    assert analyse(model, hot) == analyse(model, parts)


def test_a_test_part_that_is_used_up():
    model, parts = trained(table.Row("joint"), epochs=1)
    with pytest.raises(TypeError, match="more than once. Received: a list_it"):
        analyse(model, {**parts, "test": iter([parts["test"]])})
