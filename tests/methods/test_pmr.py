"""PMR: published numbers, and five training steps in plain torch."""

import math

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

from keras_balance.methods import pmr

NAMES = ("audio", "text")
THREE = ("audio", "visual", "text")
Y = np.array([0, 1])
# One modality's prototypes and features, then the other's.
PROTOTYPES = [
    np.array([[0.0, 0.0], [3.0, 4.0]], "float32"),
    np.array([[0.0, 0.0], [1.0, 0.0]], "float32"),
]
FEATURES = [
    np.array([[0.0, 1.0], [3.0, 3.0]], "float32"),
    np.array([[0.0, 1.0], [0.0, 1.0]], "float32"),
]


def numpy(value):
    return ops.convert_to_numpy(value)


def test_probabilities_weights_and_entropies():
    log_p = [
        numpy(pmr.log_prototype_probabilities(z, c))
        for z, c in zip(FEATURES, PROTOTYPES, strict=True)
    ]
    true = [p[np.arange(2), Y] for p in log_p]
    np.testing.assert_allclose(np.exp(true[0]), 0.962408, atol=1e-6)
    np.testing.assert_allclose(np.exp(true[1]), [0.602098, 0.397902], atol=1e-6)
    pce = [-t.mean() for t in true]
    np.testing.assert_allclose(pce, [0.038317, 0.714442], atol=1e-6)
    entropy = [-(np.exp(p) * p).sum(1).mean() for p in log_p]
    np.testing.assert_allclose(entropy, [0.160215, 0.672152], atol=1e-6)
    totals = np.array([np.exp(t).sum() for t in true], "float32")
    weights = numpy(pmr.pce_weights(totals))
    np.testing.assert_allclose(weights, [0, 0.924816], atol=1e-6)
    np.testing.assert_allclose(
        numpy(pmr.pce_weights(totals, "code")), [0, 1], atol=0
    )
    # The loss beside cross-entropy, with alpha 1 and mu 0.01.
    per = numpy(pmr.per_weights(totals, weights))
    extra = weights @ np.array(pce) - 0.01 * per @ np.array(entropy)
    assert extra == pytest.approx(0.659246, abs=1e-6)


@pytest.mark.parametrize(
    "rho,weights",
    [
        (0.25, (1, 0)),
        (0.5, (1, 0)),
        (0.8, (0.25, 0)),
        (1, (0, 0)),
        (1.3, (0, 0.3)),
        (2, (0, 1)),
        (5, (0, 1)),
    ],
)
def test_weights_are_clipped(rho, weights):
    found = numpy(pmr.pce_weights(np.array([rho, 1.0], "float32")))
    np.testing.assert_allclose(found, weights, atol=1e-6)


def test_nothing_is_weighed_where_all_scores_are_zero():
    assert numpy(pmr.pce_weights(np.zeros(3, "float32"))).tolist() == [0, 0, 0]


def test_classes_without_rows_keep_their_prototype():
    features = np.array([[1.0, 1.0], [3.0, 3.0]])
    old = np.array([[9.0, 9.0], [8.0, 8.0], [7.0, 7.0]])
    known = np.array([True, True, False])
    new, found = pmr.class_means(
        features, np.array([0, 0]), np.ones(2), old, known
    )
    assert found.tolist() == [True, False, False]
    # A class that was never seen gets the mean of all rows.
    assert new.tolist() == [[2, 2], [8, 8], [2, 2]]


def test_a_feature_that_equals_its_prototype_has_a_finite_gradient():
    z = torch.tensor(FEATURES[0][:1], requires_grad=True)
    if keras.config.backend() != "torch":
        log_p = pmr.log_prototype_probabilities(FEATURES[0], FEATURES[0])
        assert np.isfinite(numpy(log_p)).all()
        return
    log_p = pmr.log_prototype_probabilities(z, torch.tensor(FEATURES[0]))
    log_p[0, 0].backward()
    assert torch.isfinite(z.grad).all()


def expected_step(network, x, y, prototypes, variant, mu):
    """The paper's equations; others' means where there are three."""
    z = network.features(x)
    labels = plain_torch.tensor(y)
    true, entropy = [], []
    for name in network.names:
        log_p = torch.log_softmax(-torch.cdist(z[name], prototypes[name]), 1)
        true.append(log_p[torch.arange(len(y)), labels])
        entropy.append(-(log_p.exp() * log_p).sum(1).mean())
    totals = np.array([float(t.exp().sum()) for t in true])
    weights = []
    for m, total in enumerate(totals):
        rho = total / np.delete(totals, m).mean()
        weights.append(max(0, min(1, 1 / rho - 1)))
    best = int(totals.argmax())
    slowed = np.delete(weights, best).mean()
    if variant == "code":
        weights, mu = [math.ceil(w) for w in weights], 0
    loss = plain_torch.cross_entropy(network.fuse(z), y)
    for weight, t in zip(weights, true, strict=True):
        loss = loss - 2.0 * weight * t.mean()
    loss = loss - mu * slowed * entropy[best]
    network.backward(loss)
    network.descend()
    return weights


def class_means(network, x, y):
    with torch.no_grad():
        z = network.features(x, training=False)
        return {
            name: torch.stack([v[y == k].mean(0) for k in range(3)])
            for name, v in z.items()
        }


@pytest.mark.parametrize(
    "names, variant", [(NAMES, "paper"), (NAMES, "code"), (THREE, "paper")]
)
def test_training_is_that_of_the_equations(names, variant):
    model = networks.model(
        table.Row("pmr"),
        modalities=names,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        alpha=2.0,
        mu=0.5,
        entropy_epochs=1,
        subset=0.5,
        momentum=0.3,
        variant=variant,
    )
    x, y = networks.data(rows=64, modalities=names, seed=3)
    network = plain_torch.Network(model)
    history = model.fit(
        x, y, batch_size=16, epochs=2, shuffle=False, verbose=0
    ).history
    prototypes, seen = None, []
    first = {k: v[:32] for k, v in x.items()}
    for epoch in range(2):
        new = class_means(network, first, y[:32])
        if prototypes is not None:
            for name in new:
                new[name] = 0.3 * prototypes[name] + 0.7 * new[name]
        prototypes = new
        for part, labels in plain_torch.batches(x, y, 16):
            mu = 0.5 if epoch == 0 else 0.0
            seen.append(
                expected_step(network, part, labels, prototypes, variant, mu)
            )
    assert np.max(seen) > 0.1
    network.assert_same()
    for i, name in enumerate(network.names):
        assert history[f"{name}_coefficient"][1] == pytest.approx(
            np.mean([w[i] for w in seen[4:]]), abs=1e-5
        )


class Parts:
    """Data of which each epoch reads another part for the prototypes."""

    def __init__(self, parts):
        self.parts = iter(parts)

    def training_batches(self, subset):
        return [(*next(self.parts), None)]


def test_prototypes_where_a_class_is_absent_from_an_epoch():
    """It keeps its prototype, and is averaged with it where it returns."""
    model = networks.model(
        table.Row("pmr"), modalities=NAMES, eager=True, momentum=0.3
    )
    x, _ = networks.data(rows=30, modalities=NAMES, seed=3)
    # Epochs of 10 rows; class 2 is there in the last two, class 1 not in the
    # second.
    y = np.repeat([0, 1, 0, 2, 1, 2], 5)
    network = plain_torch.Network(model)
    features = {
        k: v.detach().numpy()
        for k, v in network.features(x, training=False).items()
    }
    data = Parts(
        ({k: v[rows] for k, v in x.items()}, y[rows])
        for rows in (slice(0, 10), slice(10, 20), slice(20, 30))
    )
    for name in NAMES:
        z = features[name].reshape(6, 5, -1).mean(1)
        everything = features[name][:10].mean(0)
        first = [z[0], z[1], everything]
        second = [0.3 * z[0] + 0.7 * z[2], z[1], z[3]]
        third = [
            second[0],
            0.3 * z[1] + 0.7 * z[4],
            0.3 * second[2] + 0.7 * z[5],
        ]
        features[name] = [first, second, third]
    for epoch in range(3):
        model.on_epoch_begin(epoch, data)
        for name in NAMES:
            np.testing.assert_allclose(
                numpy(model.prototypes[name]),
                features[name][epoch],
                atol=1e-5,
            )
