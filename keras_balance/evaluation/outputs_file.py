"""A file of labels and logits, from this library or from any other."""

import pathlib
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from keras_balance import metrics
from keras_balance.errors import UsageError
from keras_balance.evaluation.summary import summarize
from keras_balance.metrics.checks import check_labels_and_scores

KEYS = (
    "labels, logits/NAME of each modality and, if wanted, logits/fused or "
    "scale; or what a run writes: labels, logits, unimodal/NAME, features/NAME"
)
_BROKEN = (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error)


class OutputsFile(NamedTuple):
    """What a file says, in the form of `keras_balance.evaluation.outputs`.

    Attributes:
        outputs: dict of arrays: `labels`, `logits`, `unimodal/NAME`,
            `features/NAME`.
        modalities: names of the modalities, in the order of the file.
        fused: where the fused logits come from, in words.
        ignored: keys that mean nothing here.
    """

    outputs: dict
    modalities: list
    fused: str
    ignored: list


def read_outputs(path):
    """Reads and checks a `.npz` file.

    Args:
        path: the file. It holds `labels` (samples,) and `logits/NAME`
            (samples, classes) of each modality. The fused logits are
            `logits/fused`; where that is missing, the sum of the others
            times `scale`, 1 by default. What a run writes is taken as well:
            `labels`, `logits`, `unimodal/NAME` and `features/NAME`.

    Returns:
        `OutputsFile`.

    Raises:
        UsageError: no such file, another format, or arrays that are missing,
            of another shape, not finite or contradictory.
    """
    arrays = _load(path)
    outputs = {
        _name(key): value for key, value in arrays.items() if _known(key)
    }
    modalities = [
        key.removeprefix("unimodal/")
        for key in outputs
        if key.startswith("unimodal/")
    ]
    _check_keys(path, arrays, outputs)
    _check_arrays(path, outputs)
    scale = _scale(path, outputs.pop("scale", None))
    fused = "as in the file"
    if "logits" not in outputs:
        total = sum(
            outputs[f"unimodal/{name}"].astype("float64") for name in modalities
        )
        outputs["logits"] = scale * total
        times = "" if scale == 1 else f"{scale:.6g} x "
        fused = f"{times}the sum of the logits of {', '.join(modalities)}"
    ignored = [key for key in arrays if not _known(key)]
    return OutputsFile(outputs, modalities, fused, ignored)


def evaluate_outputs(found):
    """Everything that can be said without the model.

    Args:
        found: `OutputsFile`.

    Returns:
        A dict of plain Python values: what `summarize` returns, `fused`,
        and, with two modalities or more, `shapley` of the summed logits
        (`values` by coalition, `contribution`, `imbalance_degree`) and
        `valuation`, the mean per-sample value of each modality.
    """
    outputs, modalities = found.outputs, found.modalities
    names = [f"class {i}" for i in range(outputs["logits"].shape[1])]
    document = {
        "fused": found.fused,
        **summarize(outputs, names, modalities),
    }
    if len(modalities) < 2:
        return document
    unimodal = {name: outputs[f"unimodal/{name}"] for name in modalities}
    values, contribution = metrics.shapley_from_logits(
        outputs["labels"], unimodal
    )
    sums = {
        chosen: sum(np.asarray(unimodal[name], "float64") for name in chosen)
        for chosen in metrics.coalitions(modalities)[1:]
    }
    valuation = metrics.sample_valuation(outputs["labels"], sums)
    return {
        **document,
        "shapley": {
            "values": {"+".join(key): v for key, v in values.items()},
            "contribution": contribution,
            "imbalance_degree": metrics.imbalance_degree(
                contribution,
                metrics.least_gain(values[()], len(outputs["labels"])),
            ),
        },
        "valuation": {k: float(v.mean()) for k, v in valuation.items()},
    }


def _load(path):
    path = pathlib.Path(path)
    if not path.is_file():
        raise UsageError(f"Expected an existing file. Received: {path}")
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise ValueError("one array without a name")
        with found:
            return {name: found[name] for name in found.files}
    except _BROKEN as error:
        raise UsageError(
            f"Expected a .npz file of named arrays. Received: {path} ({error})"
        ) from error


def _known(key):
    return key in ("labels", "logits", "scale") or key.startswith(
        ("logits/", "unimodal/", "features/")
    )


def _name(key):
    """The name that a run uses for the array."""
    if key == "logits/fused":
        return "logits"
    return key.replace("logits/", "unimodal/", 1)


def _check_keys(path, arrays, outputs):
    wrong = None
    if "labels" not in outputs:
        wrong = "no labels"
    elif not any(key.startswith(("logits", "unimodal/")) for key in outputs):
        wrong = "no logits"
    elif len(outputs) < sum(map(_known, arrays)):
        wrong = "the same logits twice"
    elif {"logits", "scale"} <= set(outputs):
        wrong = "both fused logits and a scale"
    if wrong:
        raise UsageError(
            f"Expected {KEYS}. Received: {path} with {wrong}; its arrays are "
            f"{', '.join(arrays) or 'none'}"
        )


def _check_arrays(path, outputs):
    labels = outputs["labels"]
    shapes = {}
    for key, value in outputs.items():
        if key == "logits" or key.startswith("unimodal/"):
            shapes[key] = value.shape
            try:
                check_labels_and_scores(labels, value)
            except ValueError as error:
                raise UsageError(f"{path}, {key}: {error}") from error
        if key.startswith("features/"):
            _check_features(path, key, value, len(labels))
    if len(set(shapes.values())) > 1:
        raise UsageError(
            "Expected logits of as many classes everywhere. Received: "
            f"{path} with {shapes}"
        )


def _check_features(path, key, value, samples):
    if value.ndim < 2 or len(value) != samples:
        raise UsageError(
            f"Expected {key} of shape ({samples}, dim), a row for each label. "
            f"Received: {path} with shape {value.shape}"
        )
    if value.dtype.kind not in "iuf" or not np.isfinite(value).all():
        raise UsageError(
            f"Expected {key} of finite numbers. Received: {path} with dtype "
            f"{value.dtype}, NaN or infinite values"
        )


def _scale(path, scale):
    if scale is None:
        return 1.0
    if scale.size != 1 or not np.issubdtype(scale.dtype, np.number):
        raise UsageError(
            f"Expected scale to be one number. Received: {path} with scale "
            f"of dtype {scale.dtype} and shape {scale.shape}"
        )
    value = float(scale.item())
    if not 0 < value < float("inf"):
        raise UsageError(
            f"Expected a scale above 0. Received: {path} with scale={value}"
        )
    return value
