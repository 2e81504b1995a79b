"""Re-learning: published numbers, K-means, and steps in plain torch."""

import sys

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops
from sklearn.cluster import KMeans
from sklearn.metrics.cluster import contingency_matrix
from sklearn.preprocessing import MinMaxScaler

from keras_balance.methods import relearning
from keras_balance.models.fit_data import FitData

NAMES = ("audio", "text")
ROW = table.Row("relearning")


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def make(eagerly=True, **arguments):
    return networks.model(
        ROW,
        modalities=NAMES,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": eagerly},
        **arguments,
    )


def held_out():
    return networks.data(rows=30, modalities=NAMES, seed=8)


def fit(model, epochs, initial_epoch=0):
    return model.fit(
        *networks.data(rows=48, modalities=NAMES, seed=3),
        validation_data=held_out(),
        batch_size=16,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=0,
    ).history


def test_strength_of_a_reset():
    found = relearning.reset_weights([0.8, 0.5], [0.6, 0.5], 3.0)
    np.testing.assert_allclose(found, [0.537050, 0], atol=1e-6)
    # The sign of the gap does not matter; nothing is known without rows.
    found = relearning.reset_weights([0.4, 0.9], [0.6, np.nan], 3.0)
    np.testing.assert_allclose(found, [0.537050, 0], atol=1e-6)


def test_purity():
    labels = np.array([0, 0, 1, 1, 2, 2])
    assert relearning.purity(labels, np.array([0, 0, 1, 1, 2, 2])) == 1
    # The names of clusters do not matter; the majority counts.
    assert relearning.purity(labels, np.array([3, 3, 0, 0, 0, 0])) == (
        pytest.approx(4 / 6)
    )
    assert relearning.purity(labels, np.zeros(6, int)) == pytest.approx(2 / 6)


def test_scaling_is_by_column():
    features = [[0.0, 10.0, 4.0], [1.0, 30.0, 4.0], [2.0, 20.0, 4.0]]
    found = relearning.scaled(features)
    assert found.tolist() == [[-1, -1, -1], [0, 1, -1], [1, 0, -1]]


def test_purity_of_features():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 60)
    centres = 10 * np.eye(3)
    features = centres[labels] + random.normal(size=(60, 3))
    assert relearning.feature_purity(features, labels, 3) == 1
    mixed = relearning.feature_purity(random.normal(size=(60, 3)), labels, 3)
    assert 1 / 3 <= mixed < 0.7
    assert np.isnan(relearning.feature_purity(features[:0], labels[:0], 3))
    # Fewer rows than classes, and features that are all equal.
    assert relearning.feature_purity(features[:1], labels[:1], 3) == 1
    same = relearning.feature_purity(np.ones((60, 3)), labels, 3)
    assert same == np.bincount(labels).max() / 60


def expected_purity(z, y):
    z = MinMaxScaler((-1, 1)).fit_transform(z.numpy())
    means = KMeans(n_clusters=3, n_init=10, random_state=0)
    table = contingency_matrix(y, means.fit_predict(z))
    return table.max(0).sum() / len(y)


def strengths(network, parts, lam):
    with torch.no_grad():
        features = [network.features(x, training=False) for x, _ in parts]
    return {
        name: np.tanh(
            lam
            * abs(
                expected_purity(features[0][name], parts[0][1])
                - expected_purity(features[1][name], parts[1][1])
            )
        )
        for name in NAMES
    }


def test_training_is_that_of_the_equations():
    model = make(lam=4.0, every=2, resets=1)
    network = plain_torch.Network(model)
    initial = {id(v): p.detach().clone() for v, p in network.parameters}
    history = fit(model, epochs=6)
    x, y = networks.data(rows=48, modalities=NAMES, seed=3)
    seen = {name: [] for name in NAMES}
    for epoch in range(6):
        w = dict.fromkeys(NAMES, 0.0)
        # After the epoch of index 2, before the next; 4 is one too many.
        if epoch == 3:
            w = strengths(network, [(x, y), held_out()], 4.0)
            for v, p in network.parameters:
                for name in NAMES:
                    if id(v) in network.owned(name):
                        p.data.mul_(1 - w[name]).add_(w[name] * initial[id(v)])
        for name in NAMES:
            seen[name].append(w[name])
        for part, labels in plain_torch.batches(x, y, 16):
            z = network.features(part)
            network.backward(plain_torch.cross_entropy(network.fuse(z), labels))
            network.descend()
    assert max(seen["audio"][3], seen["text"][3]) > 0.1
    network.assert_same()
    for name in NAMES:
        np.testing.assert_allclose(
            history[f"{name}_coefficient"], seen[name], atol=1e-5
        )


def test_a_full_reset_gives_the_initial_weights_back():
    model = make(every=1)
    first = [numpy(v) for v in model.trainable_variables]
    fit(model, epochs=1)
    statistics = [
        numpy(v)
        for name in NAMES
        for v in model.encoders[name].non_trainable_variables
    ]
    model.reset([1.0, 0.0])
    audio = {id(v) for v in model.encoders["audio"].trainable_variables}
    for old, v in zip(first, model.trainable_variables, strict=True):
        assert np.array_equal(old, numpy(v)) == (id(v) in audio), v.path
    after = [
        numpy(v)
        for name in NAMES
        for v in model.encoders[name].non_trainable_variables
    ]
    assert networks.difference(statistics, after) == 0


def test_initial_weights_survive_saving(tmp_path):
    model = make(eagerly=False, every=1, resets=3)
    first = numpy(model.encoders["text"].trainable_variables[0])
    fit(model, epochs=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    copy = numpy(loaded.initial["text"].copies[0])
    np.testing.assert_array_equal(copy, first)
    assert int(numpy(loaded.done)) == 1
    one = fit(model, epochs=5, initial_epoch=3)
    assert one == fit(loaded, epochs=5, initial_epoch=3)
    assert int(numpy(loaded.done)) == 3
    assert (
        networks.difference(networks.weights(model), networks.weights(loaded))
        == 0
    )


def test_absent_modalities_are_left_alone():
    model = make(every=1)
    x, y = networks.data(rows=32, modalities=NAMES)
    x["audio_present"] = np.zeros(32, bool)
    history = model.fit(
        x, y, validation_data=(x, y), epochs=3, batch_size=16, verbose=0
    ).history
    assert np.isfinite(history["loss"]).all()
    assert history["audio_coefficient"] == [0, 0, 0]


def test_absent_rows_are_in_no_cluster():
    """Purities of the rows that have a modality, each modality its own."""
    model = make()
    x, y = networks.data(rows=48, modalities=NAMES, seed=3)
    present = {"audio": np.arange(48) % 3 > 0, "text": np.arange(48) % 4 > 1}
    marked = {**x, **{f"{m}_present": own for m, own in present.items()}}
    data = FitData.of(
        {"x": marked, "y": y, "validation_data": held_out(), "batch_size": 16}
    )
    outputs = model.forward_pass(x, training=False)
    others = model.forward_pass(held_out()[0], training=False)
    wanted, counted = [], []
    for name in NAMES:
        z = numpy(outputs.features[name])
        there = present[name]
        held = relearning.feature_purity(
            numpy(others.features[name]), held_out()[1], networks.CLASSES
        )
        own = relearning.feature_purity(z[there], y[there], networks.CLASSES)
        # As a method would find it that took absent rows for zeros.
        zeros = np.where(there[:, None], z, 0.0)
        wrong = relearning.feature_purity(zeros, y, networks.CLASSES)
        wanted.append(np.tanh(3.0 * abs(own - held)))
        counted.append(np.tanh(3.0 * abs(wrong - held)))
    assert np.abs(np.subtract(wanted, counted)).min() > 0.02
    np.testing.assert_allclose(model.diagnose(data), wanted, atol=1e-6)


def test_scikit_learn_is_imported_when_it_is_needed():
    source = sys.modules["keras_balance.methods.relearning"]
    assert not hasattr(source, "KMeans")


def test_validation_data_is_asked_for():
    x, y = networks.data(rows=16, modalities=NAMES)
    with pytest.raises(ValueError, match="ReLearning decides by validation"):
        make().fit(x, y, verbose=0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"lam": -1.0}, "lam must be a finite number"),
        ({"every": 0}, "every must be an integer"),
        ({"resets": -1}, "resets must be an integer"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
