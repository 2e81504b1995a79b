"""The numbers of one evaluation, ready for JSON."""

import itertools

import numpy as np

from keras_balance import metrics

# Top-5 of so few classes says nothing.
_TOP_5_ABOVE = 10


def summarize(outputs, class_names, modalities):
    """Evaluates the fused prediction and each modality's own.

    Args:
        outputs: dict as `keras_balance.evaluation.outputs` returns it:
            `"labels"` (samples,), `"logits"` (samples, classes) and, where
            the model has them, `"unimodal/<modality>"` (samples, classes)
            and `"features/<modality>"` (samples, ...).
        class_names: class names in label order.
        modalities: modality names in the model's order.

    Returns:
        A dict of plain Python values. Of the fused logits: `accuracy`,
        `macro_f1`, `map`, `map_micro`, `ece` (15 bins), `ece10`, `nll`,
        `mean_class_accuracy` and, above 10 classes, `top5`. The same in
        `per_modality`, of every modality with logits of its own. Of both:
        `confusion`, rows are true classes, `modality_confusion`, and
        `reliability`, of `"fused"` and each modality. `agreement`, where all
        modalities have logits; `gaps`, of `score` and `representation` by
        `"first|second"`, the latter where features have one dimension;
        `imbalance_ratio`, a matrix; `class_names`; `samples`.

    Raises:
        ValueError: if the class names and the logits disagree in number, or
            for what the metrics refuse.
    """
    class_names = [str(name) for name in class_names]
    labels, logits = outputs["labels"], outputs["logits"]
    if logits.ndim != 2 or logits.shape[1] != len(class_names):
        raise ValueError(
            "Expected logits of shape (samples, number of class names). "
            f"Received: logits.shape={logits.shape}, class_names={class_names}"
        )
    unimodal = _named(outputs, "unimodal", modalities)
    per_modality = {name: _scores(labels, z) for name, z in unimodal.items()}
    features = _named(outputs, "features", modalities)
    return {
        **_scores(labels, logits),
        "per_modality": per_modality,
        "confusion": metrics.confusion_matrix(labels, logits).tolist(),
        "modality_confusion": {
            name: metrics.confusion_matrix(labels, own).tolist()
            for name, own in unimodal.items()
        },
        "reliability": {
            name: metrics.reliability_curve(labels, metrics.softmax(own))
            for name, own in {"fused": logits, **unimodal}.items()
        },
        **_agreement(labels, logits, unimodal, modalities),
        "gaps": {
            "score": _score_gaps(labels, unimodal),
            "representation": _representation_gaps(features),
        },
        "imbalance_ratio": metrics.imbalance_ratio_matrix(
            {name: own["accuracy"] for name, own in per_modality.items()}
        ),
        "class_names": class_names,
        "samples": len(labels),
    }


def _named(outputs, kind, modalities):
    """The arrays `kind/<modality>` that there are, by modality."""
    keys = {name: f"{kind}/{name}" for name in modalities}
    return {name: outputs[key] for name, key in keys.items() if key in outputs}


def _scores(labels, logits):
    probabilities = metrics.softmax(logits)
    scores = {
        "accuracy": metrics.accuracy(labels, logits),
        "macro_f1": metrics.macro_f1(labels, logits),
        "map": metrics.mean_average_precision(labels, probabilities),
        "map_micro": metrics.mean_average_precision(
            labels, probabilities, average="micro"
        ),
        "ece": metrics.expected_calibration_error(labels, probabilities),
        "ece10": metrics.expected_calibration_error(labels, probabilities, 10),
        "nll": metrics.negative_log_likelihood(labels, probabilities),
        "mean_class_accuracy": metrics.mean_class_accuracy(labels, logits),
    }
    if logits.shape[1] > _TOP_5_ABOVE:
        scores["top5"] = metrics.top_k_accuracy(labels, logits, k=5)
    return scores


def _agreement(labels, logits, unimodal, modalities):
    # One modality alone agrees with nothing.
    if len(unimodal) < max(2, len(modalities)):
        return {}
    return {"agreement": metrics.agreement(labels, logits, unimodal)}


def _score_gaps(labels, unimodal):
    return {
        f"{first}|{second}": metrics.score_gap(
            labels, unimodal[first], unimodal[second]
        )
        for first, second in itertools.combinations(unimodal, 2)
    }


def _representation_gaps(features):
    rows = {name: np.reshape(x, (len(x), -1)) for name, x in features.items()}
    return {
        f"{first}|{second}": metrics.representation_gap(
            rows[first], rows[second]
        )
        for first, second in itertools.combinations(rows, 2)
        if rows[first].shape[1] == rows[second].shape[1]
    }
