"""No step is traced again. Compiled, for every method: tests/parity."""

import pytest
import table

from keras_balance.testing import tracing


@pytest.mark.parametrize("row", table.EACH)
@pytest.mark.parametrize("check", tracing.CHECKS, ids=lambda c: c.__name__)
def test_tracing(check, row):
    check(row)
