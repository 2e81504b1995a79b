"""Saving, going on, precision and accumulation, for every method."""

import keras
import networks
import numpy as np
import pytest
import table

from keras_balance.testing import saving


@pytest.mark.parametrize("row", table.EACH)
@pytest.mark.parametrize("check", saving.CHECKS, ids=lambda c: c.__name__)
def test_saving(check, row):
    check(row)


def test_accumulated_halves_equal_the_whole_batch():
    x, y = networks.data(rows=32)
    half_optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    halves = networks.model(
        table.Row("joint"), optimizer=half_optimizer, normalize=False
    )
    whole = networks.model(
        table.Row("joint"), optimizer=keras.optimizers.SGD(0.1), normalize=False
    )
    halves.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    whole.fit(x, y, batch_size=32, shuffle=False, verbose=0)
    for a, b in zip(
        halves.trainable_variables, whole.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(a),
            keras.ops.convert_to_numpy(b),
            atol=1e-6,
        )
