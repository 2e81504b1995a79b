"""Metrics of one evaluation, one metric a file.

The functions are pure NumPy in float64: whole arrays in, plain values out.
They take `labels`, integers of shape `(samples,)`, and `scores`, shape
`(samples, classes)`; the number of columns declares the classes. What no
number can be said of is None, and never NaN.

The classes accumulate over batches, for `compile(metrics=[...])`, on every
backend; they import Keras when they are first used.
"""

import importlib

from keras_balance.metrics.accuracy import accuracy
from keras_balance.metrics.agreement import agreement
from keras_balance.metrics.confusion_matrix import confusion_matrix
from keras_balance.metrics.degree_of_modality_competition import (
    degree_of_modality_competition,
)
from keras_balance.metrics.expected_calibration_error import (
    expected_calibration_error,
)
from keras_balance.metrics.imbalance_degree import imbalance_degree
from keras_balance.metrics.imbalance_degree import least_gain
from keras_balance.metrics.macro_f1 import macro_f1
from keras_balance.metrics.mean_average_precision import mean_average_precision
from keras_balance.metrics.mean_class_accuracy import mean_class_accuracy
from keras_balance.metrics.modality_imbalance_ratio import (
    imbalance_ratio_matrix,
)
from keras_balance.metrics.modality_imbalance_ratio import (
    modality_imbalance_ratio,
)
from keras_balance.metrics.negative_log_likelihood import (
    negative_log_likelihood,
)
from keras_balance.metrics.overfitting_to_generalization_ratio import (
    overfitting_to_generalization_ratio,
)
from keras_balance.metrics.reliability_curve import reliability_curve
from keras_balance.metrics.representation_gap import representation_gap
from keras_balance.metrics.sample_valuation import sample_valuation
from keras_balance.metrics.score_gap import score_gap
from keras_balance.metrics.shapley import coalitions
from keras_balance.metrics.shapley import shapley
from keras_balance.metrics.shapley import shapley_from_logits
from keras_balance.metrics.softmax import softmax
from keras_balance.metrics.top_k_accuracy import top_k_accuracy

_KERAS = {
    "ExpectedCalibrationError": "keras_calibration",
    "MacroF1": "keras_macro_f1",
}

__all__ = [
    "accuracy",
    "agreement",
    "coalitions",
    "confusion_matrix",
    "degree_of_modality_competition",
    "expected_calibration_error",
    "imbalance_degree",
    "least_gain",
    "imbalance_ratio_matrix",
    "macro_f1",
    "mean_average_precision",
    "mean_class_accuracy",
    "modality_imbalance_ratio",
    "negative_log_likelihood",
    "overfitting_to_generalization_ratio",
    "reliability_curve",
    "representation_gap",
    "sample_valuation",
    "score_gap",
    "shapley",
    "shapley_from_logits",
    "softmax",
    "top_k_accuracy",
    *_KERAS,
]


def __getattr__(name):
    if name not in _KERAS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_KERAS[name]}")
    return getattr(module, name)


def __dir__():
    return sorted(__all__)
