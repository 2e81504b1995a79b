"""What a model predicts from a part of the modalities.

A modality is masked in two ways: at its encoder's input, zeros after
preprocessing, as BalanceBenchmark and AGM do it, or at its features, as SMV
does it. Neither marks it as absent: the model does not know.

Most models encode each modality by itself. The features of zeros are then one
row, and a coalition costs one pass of what follows the encoders. Where
`joins_encoders`, each coalition is a pass of the whole model.
"""

import keras
import numpy as np
from keras import ops

from keras_balance.metrics import coalitions
from keras_balance.models import fit_data
from keras_balance.models import inference
from keras_balance.models import masks
from keras_balance.models.absent import finite_or_zero
from keras_balance.models.structures import first_row
from keras_balance.models.structures import rows_of

ROWS = 256
# Above it 2^M is too much: only M + M + 2 coalitions are evaluated.
EXACT = 6


class Changed(inference.Forward):
    """Features of inputs that are masked or noisy after preprocessing.

    Beside inputs and presence marks it takes `shown/NAME`, `(batch,)` of 0
    and 1; `noise/NAME`, of the shape of what the encoder is given; and
    `scale/NAME`, `(batch,)`, what the noise is multiplied by.
    """

    def call(self, x):
        given = {
            name: self._changed(name, x)
            for name in self.model.modalities
            if name in x
        }
        found = self.model.features_given(given, x)
        # Where an encoder is not defined at zero, nothing is left of it.
        return {name: finite_or_zero(z) for name, z in found.items()}

    def _changed(self, name, x):
        value = self.model.preprocess(name, x)
        if f"noise/{name}" in x:
            scale = _by_row(x[f"scale/{name}"], value)
            noise = ops.cast(scale * x[f"noise/{name}"], value.dtype)
            value = masks.like(value + noise, value)
        if f"shown/{name}" not in x:
            return value

        def masked(leaf):
            shown = _by_row(x[f"shown/{name}"], leaf) > 0
            zeros = ops.zeros_like(leaf)
            return masks.like(ops.where(shown, leaf, zeros), leaf)

        return keras.tree.map_structure(masked, value)


def _by_row(values, like):
    """`(batch,)` in a shape that acts on every element of a row."""
    return ops.reshape(values, (-1,) + (1,) * (len(like.shape) - 1))


class Fused(inference.Forward):
    """The fused logits of features; takes presence marks beside them."""

    def call(self, x):
        features = {
            name: x[f"features/{name}"] for name in self.model.modalities
        }
        return self.model.combine(features, x, training=False).logits


def subsets(modalities):
    """The coalitions that are evaluated, tuples in the model's order.

    Args:
        modalities: names in the model's order.

    Returns:
        All of them up to `EXACT` modalities; above, none, each alone, all
        but one, and all.
    """
    modalities = tuple(modalities)
    if len(modalities) <= EXACT:
        return coalitions(modalities)
    alone = [(name,) for name in modalities]
    without = [all_but(modalities, name) for name in modalities]
    return [(), *alone, *without, modalities]


def all_but(modalities, name):
    """The coalition that lacks one modality."""
    return tuple(other for other in modalities if other != name)


def coalition_logits(model, data, outputs):
    """Fused logits of every coalition, both ways of masking.

    Args:
        model: a `MultimodalModel`.
        data: what `keras_balance.evaluation.outputs` takes, read more than
            once.
        outputs: what `keras_balance.evaluation.outputs` found of it.

    Returns:
        `{"input": {coalition: logits}, "features": {...}}`, coalitions as
        `subsets`, logits `(samples, classes)`.
    """
    features = own_features(model, outputs)
    marks = presence(model, outputs)
    zeros = {name: np.zeros_like(z) for name, z in features.items()}
    found = {"input": {}, "features": {}}
    masked = zeros
    if not model.joins_encoders:
        masked = features_of_zeros(model, data, features, marks)
    for chosen in subsets(model.modalities):
        shown = _mixed(features, masked, chosen)
        if model.joins_encoders:
            shown = masked_features(model, data, chosen)
        found["input"][chosen] = fused_logits(model, shown, marks)
        shown = _mixed(features, zeros, chosen)
        found["features"][chosen] = fused_logits(model, shown, marks)
    return found


def own_features(model, outputs):
    """Dict by modality of the features in `outputs`."""
    return {name: outputs[f"features/{name}"] for name in model.modalities}


def presence(model, outputs):
    """The presence marks in `outputs`, by the names that inputs have."""
    return {
        f"{name}_present": outputs[f"present/{name}"]
        for name in model.modalities
        if f"present/{name}" in outputs
    }


def features_of_zeros(model, data, features, marks):
    """What encoders make of zeros: dict of `(samples, dim)`.

    Args:
        model: a `MultimodalModel` whose encoders are not joined.
        data: see `coalition_logits`.
        features: dict by modality of `(samples, dim)`, for the shapes.
        marks: presence marks; rows that lack a modality stay zero.
    """
    x = next(fit_data.batches(fit_data.as_tuple(data), ROWS))[0]
    row = {name: first_row(x[name]) for name in model.modalities}
    row |= {f"shown/{name}": np.zeros(1, "float32") for name in row}
    found = changed_features(model, row)
    masked = {}
    for name, own in features.items():
        zeros = np.broadcast_to(found[name], own.shape)
        if f"{name}_present" in marks:
            zeros = zeros * (marks[f"{name}_present"][:, None] > 0)
        masked[name] = zeros
    return masked


def masked_features(model, data, chosen):
    """Features of a pass in which only the modalities `chosen` are shown."""
    parts, rows = [], 0
    for x, y, _ in fit_data.batches(fit_data.as_tuple(data), ROWS):
        rows = max(rows, len(y))
        given = inputs_of(model, x)
        for name in model.modalities:
            shown = np.full(len(y), name in chosen, "float32")
            given[f"shown/{name}"] = shown
        parts.append(changed_features(model, given, rows))
    return joined(parts)


def changed_features(model, x, rows=1):
    """`Changed` of one batch: dict by modality of float32 arrays."""
    found = predicted(inference.forward_model(model, Changed), x, rows)
    return {name: z.astype("float32") for name, z in found.items()}


def fused_logits(model, features, marks):
    """Fused logits `(samples, classes)` of features, a few rows at a time."""
    arrays = {f"features/{name}": z for name, z in features.items()} | marks
    count = len(next(iter(arrays.values())))
    forward = inference.forward_model(model, Fused)
    parts = []
    for start in range(0, count, ROWS):
        given = {k: v[start : start + ROWS] for k, v in arrays.items()}
        found = predicted(forward, given, min(ROWS, count))
        parts.append(found.astype("float32"))
    return np.concatenate(parts)


def predicted(forward, x, rows):
    """What `predict_on_batch` returns of a batch.

    A smaller batch, such as the last one, is filled up with its last row: a
    backend that compiles would do it again for every other shape.

    Args:
        forward: an `inference.Forward`.
        x: dict of arrays of one length.
        rows: integer, the rows of the other batches.
    """
    count = rows_of(x)
    if count < rows:
        x = keras.tree.map_structure(
            lambda a: np.concatenate([a, np.repeat(a[-1:], rows - count, 0)]), x
        )
    found = forward.predict_on_batch(x)
    return keras.tree.map_structure(lambda a: np.asarray(a)[:count], found)


def inputs_of(model, x, names=None):
    """Inputs and presence marks of a batch, without what else it holds."""
    names = model.modalities if names is None else names
    keys = [k for name in names for k in (name, f"{name}_present")]
    return {key: x[key] for key in keys if key in x}


def joined(parts):
    """Dict of arrays from a list of dicts of their batches."""
    return {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}


def _mixed(features, others, chosen):
    """The features of the modalities `chosen`, of the rest the others."""
    return {
        name: z if name in chosen else others[name]
        for name, z in features.items()
    }
