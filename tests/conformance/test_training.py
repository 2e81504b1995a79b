"""What holds for every method in training, on the backend in use."""

import networks
import pytest
import table

from keras_balance.testing import training


@pytest.mark.parametrize("row", table.TRAINED)
@pytest.mark.parametrize("check", training.CHECKS, ids=lambda c: c.__name__)
def test_training(check, row):
    check(row)


def test_balanced_multi_loss_without_alpha_is_multi_loss():
    data = networks.data(rows=32)
    balanced = networks.model(table.Row("mlb"), eager=True, alpha=0.0)
    plain = networks.reused(table.Row("multi-loss"), eager=True)
    networks.fit(balanced, data)
    networks.fit(plain, data)
    assert (
        networks.difference(networks.weights(balanced), networks.weights(plain))
        < 1e-6
    )
