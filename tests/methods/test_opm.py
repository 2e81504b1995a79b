"""OPM: published numbers, and training steps in plain torch."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

from keras_balance.methods import opm

# Summed true-class probabilities of three rows (test_score_numbers.py).
AUDIO, VISUAL, TEXT = 1.996029, 1.036899, 1.211908
NAMES = ("audio", "text")
ROW = table.Row("opm")


def numpy(value):
    return ops.convert_to_numpy(value)


def probabilities(*totals, q_base=0.5, lam=0.5):
    totals = ops.convert_to_tensor(np.array(totals, "float32"))
    return numpy(opm.drop_probabilities(totals, q_base, lam))


def factors(q, dims, variant):
    q = ops.convert_to_tensor(np.array(q, "float32"))
    return numpy(opm.feature_factors(q, dims, variant))


def test_the_stronger_is_dropped_and_the_weaker_never():
    q = probabilities(AUDIO, VISUAL)
    np.testing.assert_allclose(q, [0.682063, 0], atol=2e-6)
    excess = (q[0] / 0.5 - 1) / 0.5
    assert excess == pytest.approx(0.728253, abs=1e-5)
    np.testing.assert_allclose(
        probabilities(VISUAL, AUDIO), [0, 0.682063], atol=2e-6
    )


def test_scores_in_proportion_give_equal_probabilities():
    # A batch of 64 copies of the rows, as one of BalanceBenchmark's faults.
    np.testing.assert_allclose(
        probabilities(42.58, 22.12), [0.682, 0], atol=1e-3
    )


def test_three_modalities():
    q = probabilities(AUDIO, VISUAL, TEXT)
    expected = 0.5 * (1 + 0.5 * np.tanh(1.786005 - 1))
    np.testing.assert_allclose(q, [expected, 0, 0], atol=2e-6)


@pytest.mark.parametrize("totals", [(0, 0), (1, 1), (0, 0, 0)])
def test_nothing_is_dropped_where_nothing_is_stronger(totals):
    assert not probabilities(*totals).any()


def test_a_score_of_zero_is_finite_and_probabilities_end_at_one():
    np.testing.assert_allclose(probabilities(1, 0), [0.75, 0], atol=1e-6)
    assert probabilities(1, 0, q_base=0.9, lam=5.0).tolist() == [1, 0]


def test_divisors():
    q = probabilities(AUDIO, VISUAL)
    np.testing.assert_allclose(factors(q, (5, 5), "code"), 1.517524, atol=1e-5)
    np.testing.assert_allclose(
        factors(q, (5, 5), "paper"), [1 / (1 - 0.682063), 1], atol=1e-4
    )
    # What a mean of 1 becomes, when q = (0.6, 0).
    kept = factors([0.6, 0], (5, 5), "code") * np.array([0.4, 1])
    np.testing.assert_allclose(kept, [0.571429, 1.428571], atol=1e-6)
    kept = factors([0.6, 0], (5, 5), "paper") * np.array([0.4, 1])
    np.testing.assert_allclose(kept, [1, 1], atol=1e-6)
    # Widths weigh: (3 * 0.6 + 1 * 0) / 4.
    np.testing.assert_allclose(
        factors([0.6, 0], (3, 1), "code"), 1 / 0.55, atol=1e-6
    )
    assert np.isfinite(factors([1.0, 0], (5, 5), "paper")).all()


def make(**arguments):
    return networks.model(
        ROW,
        modalities=NAMES,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        **{"warmup_epochs": 0, **arguments},
    )


def known_uniform(monkeypatch):
    random = np.random.default_rng(0)
    made = []

    def uniform(shape, **_):
        shape = tuple(int(n) for n in shape)
        made.append(random.uniform(size=shape))
        return ops.convert_to_tensor(made[-1].astype("float32"))

    monkeypatch.setattr(keras.random, "uniform", uniform)
    return made


def expected_step(network, x, y, draws, variant, on=True):
    """The equations for two modalities; returns q."""
    execute, uniform = draws
    z = network.features(x)
    chosen = torch.arange(len(y)), plain_torch.tensor(y)
    s = [
        float(torch.softmax(u.detach(), 1)[chosen].sum())
        for u in network.split(z).values()
    ]
    q = np.zeros(2)
    if on and execute < 0.6:
        for i in range(2):
            e = np.tanh(max(s[i] / s[1 - i] - 1, 0))
            q[i] = 0.4 * (1 + 0.9 * e) if e > 0 else 0
    divisors = 1 - (np.full(2, q.mean()) if variant == "code" else q)
    masks = (uniform >= q).astype("float64")
    weight = np.ones(len(y))
    if "audio_present" in x:
        there = np.stack([x["audio_present"], np.ones(len(y))], 1)
        weight = (there * masks).any(1) * 1.0
        weight *= len(y) / weight.sum()
    for i, name in enumerate(network.names):
        z[name] = z[name] * plain_torch.tensor(masks[:, [i]] / divisors[i])
    loss = plain_torch.cross_entropy(network.fuse(z), y, weight)
    network.backward(loss)
    network.descend()
    return q


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_training_is_that_of_the_equations(variant, monkeypatch):
    model = make(
        q_base=0.4, lam=0.9, p_exe=0.6, warmup_epochs=1, variant=variant
    )
    x, y = networks.data(rows=80, modalities=NAMES, seed=3)
    network = plain_torch.Network(model)
    made = known_uniform(monkeypatch)
    history = model.fit(
        x, y, batch_size=16, epochs=2, shuffle=False, verbose=0
    ).history
    # The last ones: Keras may draw once to build.
    made = made[-20:]
    seen = []
    for epoch in range(2):
        for part, labels in plain_torch.batches(x, y, 16):
            draws = made.pop(0), made.pop(0)
            seen.append(
                expected_step(
                    network, part, labels, draws, variant, on=epoch > 0
                )
            )
    assert not np.any(seen[:5]) and np.any(seen[5:])
    # Some batches of the second epoch are let through as they are.
    assert min(np.max(q) for q in seen[5:]) == 0
    network.assert_same()
    for i, name in enumerate(NAMES):
        assert history[f"{name}_drop_probability"][1] == pytest.approx(
            np.mean([q[i] for q in seen[5:]]), abs=1e-5
        )


def test_rows_without_anything_left_weigh_nothing(monkeypatch):
    model = make(q_base=1.0, p_exe=1.0)
    x, y = networks.data(rows=8, modalities=NAMES)
    # Text is sure of its class, audio is not.
    model.fusion.head.kernel.assign(
        np.concatenate([np.zeros((5, 3)), np.ones((5, 3))])
    )
    x["audio_present"] = np.array([True] * 6 + [False] * 2)
    batch = next(iter_batches(model, x, y))
    marks = x["audio_present"].astype("float32")
    present = {"audio": ops.convert_to_tensor(marks)}
    outputs = opm.Outputs({}, {}, None, present)
    masks = np.ones((8, 2), "float32")
    masks[:, 1] = 0
    weight = numpy(
        model.survivors(ops.convert_to_tensor(masks), outputs, batch)
    )
    np.testing.assert_allclose(weight, [8 / 6] * 6 + [0, 0], rtol=1e-6)
    # Without any survivor: no loss, and nothing that is not finite.
    weight = numpy(
        model.survivors(ops.convert_to_tensor(0 * masks), outputs, batch)
    )
    assert not weight.any()


def iter_batches(model, x, y):
    from keras_balance.models import batch as batches

    yield batches.unpack((x, ops.convert_to_tensor(y)), model.num_classes)


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("absent", [False, True])
def test_small_and_incomplete_batches_stay_finite(rows, absent):
    model = make(q_base=1.0, p_exe=1.0)
    x, y = networks.data(rows=rows, modalities=NAMES)
    if absent:
        x["audio_present"] = np.zeros(rows, bool)
    logs = model.train_on_batch(x, y, return_dict=True)
    assert all(np.isfinite(v) for v in logs.values()), logs
    if absent:
        assert logs["text_drop_probability"] == 0


def test_one_modality_is_joint_training():
    results = []
    for slug in ("opm", "joint"):
        model = networks.model(table.Row(slug), modalities=("text",))
        x, y = networks.data(rows=32, modalities=("text",))
        model.fit(x, y, epochs=2, batch_size=16, shuffle=False, verbose=0)
        results.append([numpy(v) for v in model.trainable_variables])
    assert networks.difference(*results) < 1e-6


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"q_base": 1.5}, "q_base must be"),
        ({"lam": -1}, "lam must be"),
        ({"p_exe": 2}, "p_exe must be"),
        ({"warmup_epochs": -1}, "warmup_epochs must be"),
        ({"variant": "bb"}, "variant must be"),
        ({"fusion": "gated"}, "OPM compares unimodal logits"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
