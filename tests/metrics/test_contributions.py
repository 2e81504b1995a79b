"""Shapley values, per-sample values and agreement, by hand and by search."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_balance import metrics


def test_coalitions_from_none_to_all():
    found = metrics.coalitions(["b", "a", "c"])
    assert found[:4] == [(), ("b",), ("a",), ("c",)]
    assert found[4:] == [("b", "a"), ("b", "c"), ("a", "c"), ("b", "a", "c")]


def test_two_modalities_by_hand():
    values = {(): 1 / 6, ("a",): 0.6, ("v",): 0.3, ("v", "a"): 0.65}
    assert metrics.shapley(values, ("a", "v")) == pytest.approx(
        {"a": 0.391667, "v": 0.091667}, abs=5e-7
    )


def test_three_modalities_by_hand():
    values = dict.fromkeys(metrics.coalitions("abc"), 0)
    values |= {("a",): 1, ("a", "b"): 2, ("a", "b", "c"): 3}
    assert metrics.shapley(values, "abc") == pytest.approx(
        {"a": 1.666667, "b": 1.166667, "c": 0.166667}, abs=5e-7
    )


@st.composite
def games(draw):
    names = "abcd"[: draw(st.integers(1, 4))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    subsets = map(frozenset, metrics.coalitions(names))
    return names, {subset: rng.normal() for subset in subsets}


@given(games())
def test_mean_gain_over_all_orders(game):
    names, values = game
    orders = list(itertools.permutations(names))
    expected = dict.fromkeys(names, 0.0)
    for order in orders:
        for place, name in enumerate(order):
            before = frozenset(order[:place])
            gain = values[before | {name}] - values[before]
            expected[name] += gain / len(orders)
    found = metrics.shapley(values, names)
    assert found == pytest.approx(expected)
    total = values[frozenset(names)] - values[frozenset()]
    assert sum(found.values()) == pytest.approx(total)


# Right with a alone, v alone, both: values of a and v.
VALUES = {
    (1, 1, 1): (1, 1),
    (1, 0, 1): (1.5, 0.5),
    (0, 1, 1): (0.5, 1.5),
    (0, 0, 1): (1, 1),
    (1, 1, 0): (0, 0),
    (1, 0, 0): (0.5, -0.5),
    (0, 1, 0): (-0.5, 0.5),
    (0, 0, 0): (0, 0),
}


def test_every_pattern_of_two_modalities():
    right = np.array(list(VALUES))
    labels = np.ones(len(right), dtype=int)
    coalitions = [("a",), ("v",), ("a", "v")]
    scores = {
        chosen: np.eye(2)[right[:, column]]
        for column, chosen in enumerate(coalitions)
    }
    found = metrics.sample_valuation(labels, scores)
    assert list(found) == ["a", "v"]
    rows = np.stack([found["a"], found["v"]], axis=1)
    assert list(map(tuple, rows.tolist())) == list(VALUES.values())


def test_agreement_of_three():
    labels = np.array([1, 1, 1, 0, 0])
    fused = np.eye(2)[[1, 0, 1, 1, 0]]
    unimodal = {
        "a": np.eye(2)[[1, 1, 0, 1, 0]],
        "b": np.eye(2)[[1, 0, 0, 1, 0]],
        "c": np.eye(2)[[1, 1, 0, 1, 0]],
    }
    found = metrics.agreement(labels, fused, unimodal)
    names = [pattern["right"] for pattern in found]
    assert len(found) == 8 and names[0] == ["a", "b", "c"] and names[-1] == []
    occur = {
        "".join(p["right"]): (p["samples"], p["fused_right"])
        for p in found
        if p["samples"]
    }
    assert occur == {"abc": (2, 2), "ac": (1, 0), "": (2, 1)}


def test_a_modality_without_a_say_contributes_nothing():
    labels = np.array([0, 1, 2])
    unimodal = {"a": np.eye(3), "b": np.zeros((3, 3))}
    values, phi = metrics.shapley_from_logits(labels, unimodal)
    assert values == {
        (): 1 / 3,
        ("a",): 1.0,
        ("b",): 1 / 3,
        ("a", "b"): 1.0,
    }
    assert phi == pytest.approx({"a": 2 / 3, "b": 0.0})
