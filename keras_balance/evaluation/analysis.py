"""What each modality adds to a model, and what its encoder has learned."""

import numpy as np

from keras_balance import metrics
from keras_balance.evaluation import masking
from keras_balance.evaluation.outputs import outputs
from keras_balance.evaluation.probes import linear_probe
from keras_balance.evaluation.robustness import robustness
from keras_balance.models.inference import class_indices

PARTS = ("train", "validation", "test")


def analyse(model, parts, found=None):
    """Masked accuracies, Shapley values, probes and robustness.

    Everything is of the test part; the probes are trained on the training
    part and regularised by the validation part.

    Args:
        model: a `MultimodalModel`, trained.
        parts: dict of `"train"`, `"validation"` (or None) and `"test"` to
            what `keras_balance.evaluation.outputs` takes, without
            augmentation. The test part is read several times.
        found: dict of part to what `outputs` found of it, for the parts that
            need not be read again.

    Returns:
        A dict of plain Python values:

            masked           accuracy by coalition, names joined by "+", with
                             the others zero at their encoders' input
            masked_features  the same with the others' features zero
            shapley          by "input" and "features": the contribution of
                             each modality and the imbalance degree
            valuation        mean sample-level valuation of each modality,
                             from the masked features
            probes           of each encoder and, for several modalities, of
                             "concat", all features side by side
            probe_imbalance_ratio
                             accuracies of the probes, one over the other
            robustness       curves, see `keras_balance.evaluation.robustness`

        Above `masking.EXACT` modalities `masked` has none, each alone, all
        but one and all, and `shapley` and `valuation` are empty.

    Raises:
        TypeError: where the test part can be read only once.
    """
    if hasattr(parts["test"], "__next__"):
        raise TypeError(
            "Expected a test part that can be read more than once. Received: "
            f"a {type(parts['test']).__name__}"
        )
    found = _read(model, parts, found or {})
    test = found["test"]
    logits = masking.coalition_logits(model, parts["test"], test)
    probed = probes(model, found)
    return {
        "masked": _accuracies(test["labels"], logits["input"]),
        "masked_features": _accuracies(test["labels"], logits["features"]),
        **contributions(test["labels"], logits, model.modalities),
        "probes": probed,
        "probe_imbalance_ratio": metrics.imbalance_ratio_matrix(
            {
                name: probed[name]["accuracy"]
                for name in model.modalities
                if name in probed
            }
        ),
        "robustness": robustness(model, parts["test"], test, logits["input"]),
    }


def contributions(labels, logits, modalities):
    """Shapley values of the accuracy, and the mean sample-level valuation.

    Args:
        labels: integers `(samples,)`.
        logits: what `coalition_logits` returns.
        modalities: names in the model's order.

    Returns:
        `{"shapley": ..., "valuation": ...}` as in `analyse`.
    """
    if len(modalities) > masking.EXACT:
        return {"shapley": {}, "valuation": {}}
    shares = {}
    for kind, by_coalition in logits.items():
        values = {
            chosen: metrics.accuracy(labels, scores)
            for chosen, scores in by_coalition.items()
        }
        phi = metrics.shapley(values, modalities)
        shares[kind] = {
            "contribution": phi,
            "imbalance_degree": metrics.imbalance_degree(
                phi, metrics.least_gain(values[()], len(labels))
            ),
        }
    values = metrics.sample_valuation(labels, logits["features"])
    means = {name: float(rows.mean()) for name, rows in values.items()}
    return {"shapley": shares, "valuation": means}


def probes(model, found):
    """The linear probe of every encoder, and of all side by side.

    Args:
        model: a `MultimodalModel`.
        found: dict of part to outputs, or to None.

    Returns:
        Dict by modality, and `"concat"` for several, of what `linear_probe`
        returns. A probe sees the rows that have its modality; where a part
        has none, the modality is left out.
    """
    classes = found["test"]["logits"].shape[1]
    groups = {name: (name,) for name in model.modalities}
    if len(groups) > 1:
        groups["concat"] = model.modalities
    results = {}
    for title, names in groups.items():
        given = {p: o and _probed(o, names) for p, o in found.items()}
        if any(rows and not len(rows[1]) for rows in given.values()):
            continue
        results[title] = linear_probe(
            given["train"], given["validation"], given["test"], classes
        )
    return results


def _probed(found, names):
    """Features `(samples, dim)` and labels of the rows that have a modality.

    Features of several stand side by side, zero where a row lacks one.
    """
    rows = np.ones(len(found["labels"]), bool)
    if len(names) == 1 and f"present/{names[0]}" in found:
        rows = found[f"present/{names[0]}"] > 0
    features = [found[f"features/{name}"][rows] for name in names]
    return np.concatenate(features, axis=1), found["labels"][rows]


def _read(model, parts, found):
    """Outputs of every part, with class indices as labels."""
    read = {}
    for name in PARTS:
        own = found.get(name)
        if own is None and parts.get(name) is not None:
            own = outputs(model, parts[name])
        if own is not None:
            classes = own["logits"].shape[1]
            own = {**own, "labels": class_indices(own["labels"], classes)}
        read[name] = own
    return read


def _accuracies(labels, by_coalition):
    return {
        "+".join(chosen): metrics.accuracy(labels, scores)
        for chosen, scores in by_coalition.items()
    }
