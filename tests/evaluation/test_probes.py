"""Probes against scikit-learn by hand and real features of the field."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from keras_balance.evaluation.probes import STRENGTH
from keras_balance.evaluation.probes import STRENGTHS
from keras_balance.evaluation.probes import cross_validated
from keras_balance.evaluation.probes import linear_probe
from keras_balance.evaluation.probes import probe_accuracy


def blobs(seed, rows=150, classes=4, dim=12, spread=1.5):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, dim))
    labels = rng.integers(0, classes, rows)
    noise = rng.normal(size=(rows, dim)) * spread
    return centres[labels] + noise, labels


def by_hand(strength, train):
    model = LogisticRegression(C=strength, max_iter=5000, tol=1e-6)
    return make_pipeline(StandardScaler(), model).fit(*train)


def test_the_strength_with_the_best_validation_accuracy():
    train, validation, test = blobs(0), blobs(1), blobs(2)
    found = linear_probe(train, validation, test, 4)
    models = {c: by_hand(c, train) for c in STRENGTHS}
    scores = {c: m.score(*validation) for c, m in models.items()}
    best = max(scores, key=scores.get)
    assert found["strength"] == best
    assert found["validation"] == pytest.approx(scores[best])
    assert found["accuracy"] == pytest.approx(models[best].score(*test))
    predicted = models[best].predict(test[0])
    expected = f1_score(
        test[1], predicted, average="macro", labels=range(4), zero_division=0
    )
    assert found["macro_f1"] == pytest.approx(expected)


def test_the_test_part_chooses_nothing():
    train, validation = blobs(0), blobs(1)
    features, labels = blobs(2)
    one = linear_probe(train, validation, (features, labels), 4)
    other = linear_probe(train, validation, (features, 3 - labels), 4)
    for name in ("strength", "validation"):
        assert one[name] == other[name]


def test_equals_are_broken_towards_the_stronger_penalty():
    train = np.array([[-1.0], [1.0]] * 20), np.array([0, 1] * 20)
    found = linear_probe(train, train, train, 2)
    assert found["accuracy"] == found["validation"] == 1.0
    assert found["strength"] == STRENGTHS[0]


def test_scale_does_not_matter():
    train, validation, test = (
        (features * [1e4] + 7, labels)
        for features, labels in (blobs(0), blobs(1), blobs(2))
    )
    scaled = linear_probe(train, validation, test, 4)
    assert scaled == pytest.approx(
        linear_probe(blobs(0), blobs(1), blobs(2), 4), abs=0.01
    )


def test_without_a_validation_part():
    train, test = blobs(0, spread=0.5), blobs(2, spread=0.5)
    found = linear_probe(train, None, test, 4)
    chosen_by = cross_validated(*train, 4)
    assert found["validation"] == max(chosen_by) > 0.8
    assert found["strength"] == STRENGTHS[int(np.argmax(chosen_by))]


def test_a_class_that_training_lacks():
    features, labels = blobs(0)
    kept = labels != 2
    found = linear_probe((features[kept], labels[kept]), None, blobs(2), 4)
    right = by_hand(found["strength"], (features[kept], labels[kept]))
    assert found["accuracy"] == pytest.approx(right.score(*blobs(2)))


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_a_class_with_one_sample_is_cross_validated():
    features, labels = blobs(0, classes=2)
    labels[0] = 2
    assert 0 < cross_validated(features, labels, 3).max() <= 1


def test_one_class_alone():
    features, _ = blobs(0)
    message = "two classes or more. Received: classes=\\[0\\] in 150 samples"
    with pytest.raises(ValueError, match=message):
        linear_probe((features, np.zeros(150, int)), None, blobs(1), 4)


def test_the_quick_probe():
    train, test = blobs(0), blobs(1)
    found = probe_accuracy(*train, *test)
    assert found == pytest.approx(by_hand(STRENGTH, train).score(*test))


# Test clips of CREMA-D, five folds inside them, C = 0.01: computed apart from
# this code, over all 744 clips. Here are 500 of them.
KNOWN = {
    "normal": {"audio": 0.563, "visual": 0.264, "both": 0.619},
    "ogm_ge": {"audio": 0.585, "visual": 0.340, "both": 0.673},
}


@pytest.fixture(scope="module")
def real(test_data):
    found = {}
    for name in KNOWN:
        path = test_data / "cremad_resnet18_feats" / f"{name}_fts_open.npz"
        with np.load(path) as file:
            parts = {k: file[k].astype("float64") for k in ("audio", "visual")}
            parts["both"] = np.concatenate(list(parts.values()), axis=1)
            labels = file["label"].astype(int)
        found[name] = {
            kind: cross_validated(x, labels, 6, (0.01,))[0]
            for kind, x in parts.items()
        }
    return found


def test_probes_of_a_published_model(real):
    for name, expected in KNOWN.items():
        assert real[name] == pytest.approx(expected, abs=0.06)


def test_modulation_helps_the_weak_modality(real):
    assert real["ogm_ge"]["visual"] > real["normal"]["visual"] + 0.03
