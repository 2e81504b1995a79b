"""Accuracy with one modality noisy, or missing in a share of the samples."""

import keras
import numpy as np
from keras import ops

from keras_balance.evaluation import masking
from keras_balance.metrics import accuracy
from keras_balance.models import fit_data
from keras_balance.models import inference
from keras_balance.models.structures import shapes_of

LEVELS = (0.0, 0.25, 0.5, 1.0, 2.0)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


class Moments(inference.Forward):
    """Mean and variance of each row of what an encoder is given.

    Encoders that are given several arrays are left out.
    """

    def call(self, x):
        found = {}
        for name in self.model.modalities:
            value = self.model.preprocess(name, x)
            if keras.tree.is_nested(value):
                continue
            count = ops.shape(value)[0]
            flat = ops.reshape(ops.cast(value, "float32"), (count, -1))
            found[name] = ops.stack(
                [ops.mean(flat, axis=-1), ops.var(flat, axis=-1)], axis=-1
            )
        return found


def robustness(model, data, outputs, logits, seed=0):
    """The curves of every modality.

    Noise is N(0, (level * std)^2), added to what the encoder is given, with
    std over all its elements in `data`. The same draw is scaled to every
    level, so that a curve shows the level and not the draw. A missing
    modality is zero at its encoder's input, as in `coalition_logits`, and
    not marked as absent; a larger share contains the smaller ones.

    Args:
        model: a `MultimodalModel`.
        data: what `keras_balance.evaluation.outputs` takes, read more than
            once.
        outputs: what `keras_balance.evaluation.outputs` found of it.
        logits: dict of coalition to fused logits, masked at the input.
        seed: integer, of the noise and of the samples that lack a modality.

    Returns:
        Dict by modality of `{"noise": [{"level", "accuracy"}, ...],
        "missing": [{"share", "accuracy"}, ...]}`. `"noise"` is empty for a
        modality whose encoder is given integers, such as tokens, or several
        arrays.
    """
    noisy = noise_curves(model, data, outputs, seed)
    return {
        name: {
            "noise": noisy[name],
            "missing": missing_curve(
                outputs["labels"],
                logits[tuple(model.modalities)],
                logits[masking.all_but(model.modalities, name)],
                seed,
            ),
        }
        for name in model.modalities
    }


def missing_curve(labels, whole, without, seed=0, shares=SHARES):
    """Accuracy where a share of the samples lacks a modality.

    Args:
        labels: integers `(samples,)`.
        whole: logits `(samples, classes)` with the modality.
        without: the same without it.
        seed: integer, of the order in which samples lose it.
        shares: numbers from 0 to 1.

    Returns:
        List of `{"share", "accuracy"}`.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    curve = []
    for share in shares:
        lost = order[: round(share * len(labels))]
        mixed = whole.copy()
        mixed[lost] = without[lost]
        curve.append({"share": share, "accuracy": accuracy(labels, mixed)})
    return curve


def noise_curves(model, data, outputs, seed=0, levels=LEVELS):
    """Dict by modality of lists of `{"level", "accuracy"}`."""
    widths = spreads(model, data)
    features = masking.own_features(model, outputs)
    marks = masking.presence(model, outputs)
    curves = {name: [] for name in model.modalities}
    for name, width in widths.items():
        above = [level for level in levels if level]
        scales = [level * width for level in above]
        place = model.modalities.index(name)
        noisy = _noisy_features(model, data, name, scales, [seed, place])
        changed = dict(zip(above, noisy, strict=True))
        for level in levels:
            given = {**features, **changed.get(level, {})}
            logits = masking.fused_logits(model, given, marks)
            right = accuracy(outputs["labels"], logits)
            curves[name].append({"level": level, "accuracy": right})
    return curves


def spreads(model, data):
    """Standard deviation of what each encoder is given, over the data.

    Returns:
        Dict by modality; those that are given integers or several arrays are
        left out.
    """
    forward = inference.forward_model(model, Moments)
    parts, kept, size = [], {}, 0
    for x, y, _ in fit_data.batches(fit_data.as_tuple(data), masking.ROWS):
        size = max(size, len(y))
        kept = masking.inputs_of(model, x)
        found = masking.predicted(forward, kept, size)
        for name in found:
            # What absent rows hold is not shown to the encoder.
            there = kept.get(f"{name}_present")
            if there is not None:
                found[name] = found[name][np.reshape(there, -1) > 0]
        parts.append(found)
    widths = {}
    for name, rows in masking.joined(parts).items():
        stored = keras.tree.flatten(kept[name])
        integers = any(np.issubdtype(a.dtype, np.integer) for a in stored)
        if integers and name not in model.preprocessing:
            continue
        means, variances = rows.astype("float64").T
        total = variances.mean() + means.var() if len(rows) else 0.0
        widths[name] = float(np.sqrt(total))
    return widths


def _noisy_features(model, data, name, scales, seed):
    """For each scale the features with one modality noisy, as dicts."""
    names = model.modalities if model.joins_encoders else (name,)
    shape, rows = None, 0
    random = np.random.default_rng(seed)
    parts = [[] for _ in scales]
    for x, y, _ in fit_data.batches(fit_data.as_tuple(data), masking.ROWS):
        rows = max(rows, len(y))
        x = masking.inputs_of(model, x, names)
        if shape is None:
            shape = model.encoder_shape(name, shapes_of(x[name]))[1:]
        x[f"noise/{name}"] = random.standard_normal((len(y), *shape), "float32")
        for scale, found in zip(scales, parts, strict=True):
            x[f"scale/{name}"] = np.full(len(y), scale, "float32")
            found.append(masking.changed_features(model, x, rows))
    return [masking.joined(found) for found in parts]
