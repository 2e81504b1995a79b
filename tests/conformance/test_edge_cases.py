"""Data and networks at the edge, for every method."""

import pytest
import table

from keras_balance.testing import edge_cases


@pytest.mark.parametrize("row", table.EACH)
@pytest.mark.parametrize("check", edge_cases.CHECKS, ids=lambda c: c.__name__)
def test_edge_case(check, row):
    check(row)
