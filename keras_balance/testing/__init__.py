"""The conformance test of a method, for this repository and for others.

    from keras_balance.testing import Row
    from keras_balance.testing import run_method_tests

    run_method_tests(Row("my-method", {"strength": 0.5}))

The method must be known to `keras_balance.methods`, by an entry point or by
`register`. Nothing but Keras and a backend is needed.
"""

from keras_balance.testing.row import Row
from keras_balance.testing.run import run_method_tests

__all__ = ["Row", "run_method_tests"]
