"""Metrics of one evaluation: labels and scores in, one number out.

Pure NumPy, float64, one metric a file. Every metric takes `labels`, integers
of shape `(samples,)`, and `scores`, shape `(samples, classes)`; the number of
columns declares the classes.
"""

from keras_balance.metrics.accuracy import accuracy
from keras_balance.metrics.confusion_matrix import confusion_matrix
from keras_balance.metrics.macro_f1 import macro_f1
from keras_balance.metrics.mean_average_precision import mean_average_precision
from keras_balance.metrics.softmax import softmax

__all__ = [
    "accuracy",
    "confusion_matrix",
    "macro_f1",
    "mean_average_precision",
    "softmax",
]
