"""Several runs beside one another."""

from keras_balance.reports.comparison.comparison import Comparison
from keras_balance.reports.comparison.comparison import compare

__all__ = ["Comparison", "compare"]
