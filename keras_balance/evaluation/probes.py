"""Linear probes: how much of the classes frozen features hold."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from keras_balance.metrics import accuracy
from keras_balance.metrics import macro_f1

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
# Of a probe while a model trains, which is to be quick.
STRENGTH = 0.1
FOLDS = 5


def linear_probe(train, validation, test, num_classes, strengths=STRENGTHS):
    """Logistic regression on standardised features, L2-regularised.

    The strength C, the inverse of the penalty, is the one with the highest
    accuracy on the validation part; of equals the smallest. Without such a
    part it is chosen by stratified cross-validation inside the training
    part. The probe is fitted on the training part alone.

    Args:
        train: `(features, labels)`, `(samples, dim)` and integers
            `(samples,)`.
        validation: the same, or None.
        test: the same.
        num_classes: integer.
        strengths: values of C, ascending.

    Returns:
        `{"accuracy", "macro_f1", "strength", "validation"}`: of the test
        part, then C and the accuracy by which it was chosen.

    Raises:
        ValueError: where the training part has fewer than two classes.
    """
    train = _checked(train)
    if validation is None:
        chosen_by = cross_validated(*train, num_classes, strengths)
    else:
        chosen_by = [
            accuracy(validation[1], scores)
            for scores in _path(*train, validation[0], num_classes, strengths)
        ]
    # The first of equals is the most regularised one.
    best = int(np.argmax(chosen_by))
    *_, scores = _path(*train, test[0], num_classes, strengths[: best + 1])
    return {
        "accuracy": accuracy(test[1], scores),
        "macro_f1": macro_f1(test[1], scores),
        "strength": float(strengths[best]),
        "validation": float(chosen_by[best]),
    }


def probe_accuracy(features, labels, others, other_labels):
    """Accuracy of one probe of strength `STRENGTH`, for use while training.

    Args:
        features: `(samples, dim)`, what the probe is fitted on.
        labels: integers `(samples,)`.
        others: `(others, dim)`, what it is measured on.
        other_labels: integers `(others,)`.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: where `labels` has fewer than two classes.
    """
    features, labels = _checked((features, labels))
    classes = int(max(np.max(labels), np.max(other_labels))) + 1
    (scores,) = _path(features, labels, others, classes, (STRENGTH,))
    return accuracy(other_labels, scores)


def cross_validated(features, labels, num_classes, strengths=STRENGTHS):
    """Accuracy of each strength, over stratified folds, `(strengths,)`.

    Args:
        features: `(samples, dim)`.
        labels: integers `(samples,)`.
        num_classes: integer.
        strengths: values of C, ascending.
    """
    fewest = np.unique(labels, return_counts=True)[1].min()
    folds = StratifiedKFold(
        int(np.clip(fewest, 2, FOLDS)), shuffle=True, random_state=0
    )
    right = np.zeros(len(strengths))
    for fitted, left in folds.split(features, labels):
        given = (features[fitted], labels[fitted], features[left])
        for i, scores in enumerate(_path(*given, num_classes, strengths)):
            right[i] += accuracy(labels[left], scores) * len(left)
    return right / len(labels)


def _path(features, labels, others, num_classes, strengths):
    """Yields the probabilities `(samples, classes)` for each strength."""
    scaler = StandardScaler().fit(features)
    given, asked = scaler.transform(features), scaler.transform(others)
    # From strong to weak penalty each fit starts where the last one ended.
    model = LogisticRegression(max_iter=500, warm_start=True)
    for strength in strengths:
        model.set_params(C=strength).fit(given, labels)
        scores = np.zeros((len(others), num_classes))
        scores[:, model.classes_] = model.predict_proba(asked)
        yield scores


def _checked(train):
    features, labels = train
    found = np.unique(labels)
    if len(found) < 2:
        raise ValueError(
            "Expected training labels of two classes or more. Received: "
            f"classes={found.tolist()} in {len(labels)} samples"
        )
    return np.asarray(features, "float64"), np.asarray(labels)
