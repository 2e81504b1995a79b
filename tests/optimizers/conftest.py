"""A small problem on which every optimizer of the package is tried."""

import keras
import numpy as np
import pytest
from keras import ops


def build_model(dtype_policy=None, constraint=None):
    keras.utils.set_random_seed(7)
    init = np.random.default_rng(7)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(
                8,
                activation="tanh",
                dtype=dtype_policy,
                kernel_constraint=constraint,
            ),
            keras.layers.Dense(3, dtype=dtype_policy),
        ]
    )
    for variable in model.trainable_variables:
        variable.assign(init.normal(0, 0.5, variable.shape))
    return model


class Problem:
    """Data, a model, and what the tests do with them."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.x = rng.normal(size=(32, 4)).astype("float32")
        self.y = rng.integers(0, 3, 32).astype("int32")

    def model(self, **kwargs):
        return build_model(**kwargs)

    def compiled(self, optimizer, model=None, **kwargs):
        model = build_model() if model is None else model
        model.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            **kwargs,
        )
        return model

    def fit(self, model, epochs=2, **kwargs):
        return model.fit(
            self.x,
            self.y,
            batch_size=8,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            **kwargs,
        )

    def trained(self, optimizer, epochs=2, **kwargs):
        model = self.compiled(optimizer, **kwargs)
        self.fit(model, epochs)
        return model

    def gradients(self, variables, step, scale=1.0):
        """The same made-up gradients for everyone."""
        rng = np.random.default_rng([3, step])
        return [
            ops.convert_to_tensor(
                (scale * rng.normal(size=v.shape)).astype("float32")
            )
            for v in variables
        ]


@pytest.fixture
def problem():
    return Problem()


def arrays(variables):
    return [ops.convert_to_numpy(v).copy() for v in variables]


def _assert_same(first, second, atol=0.0):
    first, second = arrays(first), arrays(second)
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.fixture
def assert_same():
    """Compare two lists of variables; exactly unless `atol` is given."""
    return _assert_same
