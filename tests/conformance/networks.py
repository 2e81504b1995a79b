"""The shipped tiny networks and data, under the name that tests use."""

from keras_balance.testing.networks import CLASSES
from keras_balance.testing.networks import SHAPES
from keras_balance.testing.networks import data
from keras_balance.testing.networks import difference
from keras_balance.testing.networks import encoder
from keras_balance.testing.networks import filled
from keras_balance.testing.networks import fit
from keras_balance.testing.networks import model
from keras_balance.testing.networks import numpy
from keras_balance.testing.networks import reused
from keras_balance.testing.networks import set_weights
from keras_balance.testing.networks import weights

__all__ = [
    "CLASSES",
    "SHAPES",
    "data",
    "difference",
    "encoder",
    "filled",
    "fit",
    "model",
    "numpy",
    "reused",
    "set_weights",
    "weights",
]
