"""Paired tests over seeds, Holm's adjustment, ranks."""

import numpy as np
import pytest
from scipy import stats

from keras_balance.reports.comparison.paired import holm
from keras_balance.reports.comparison.paired import paired_difference
from keras_balance.reports.comparison.ranks import mean_ranks

# Student's own sleep data (1908): the paired test has t = 4.0621, p = 0.00283.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def seeded(values):
    return dict(enumerate(values))


def test_students_sleep_data():
    found = paired_difference(seeded(SECOND), seeded(FIRST))
    assert found.mean == pytest.approx(1.58)
    assert found.p == pytest.approx(0.002833, abs=1e-6)
    assert found.low == pytest.approx(0.7001142, abs=1e-6)
    assert found.high == pytest.approx(2.4598858, abs=1e-6)
    assert found.reason == ""


@pytest.mark.parametrize("n", [3, 4, 5, 10])
def test_agrees_with_scipy(n):
    rng = np.random.default_rng(n)
    first, second = rng.normal(0.6, 0.02, (2, n))
    found = paired_difference(seeded(first), seeded(second))
    wanted = stats.ttest_rel(first, second)
    ends = wanted.confidence_interval(0.95)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9)
    assert found.low == pytest.approx(ends.low, rel=1e-9)
    assert found.high == pytest.approx(ends.high, rel=1e-9)


def test_only_common_seeds_are_paired():
    first = {3: 0.7, 0: 0.5, 1: 0.6, 2: 0.65}
    second = {0: 0.4, 1: 0.55, 2: 0.5, 9: 0.0}
    found = paired_difference(first, second)
    assert found.seeds == [0, 1, 2]
    assert found.mean == pytest.approx((0.1 + 0.05 + 0.15) / 3)


@pytest.mark.parametrize(
    ("first", "second", "mean", "reason"),
    [
        ({0: 0.5}, {1: 0.4}, None, "no common seed"),
        ({0: 0.5}, {0: 0.4}, 0.1, "needs 3 seeds"),
        ({0: 0.5, 1: 0.6}, {0: 0.4, 1: 0.6}, 0.05, "needs 3 seeds"),
        (seeded([0.3, 0.6, 0.7]), seeded([0.2, 0.5, 0.6]), 0.1, "equal"),
        (seeded([0.3, 0.6, 0.7]), seeded([0.3, 0.6, 0.7]), 0.0, "equal"),
    ],
)
def test_without_a_test(first, second, mean, reason):
    found = paired_difference(first, second)
    assert found.p is None
    assert found.reason.startswith(reason)
    assert found.mean == (None if mean is None else pytest.approx(mean))
    assert (found.low is None) == (reason != "equal")


def test_holm():
    # Holm (1979) by hand: 4 x 0.01, 3 x 0.02, 2 x 0.03, then monotone.
    found = holm([0.04, 0.01, None, 0.03, 0.02])
    assert found == pytest.approx([0.06, 0.04, None, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([None]) == [None]


def test_mean_ranks_share_places():
    rows = [
        {0: 0.5, 1: 0.9, 2: 0.1},
        {0: 0.7, 1: 0.9},
        {0: 0.5, 1: 0.3, 5: 0.2},
    ]
    # Seed 0: 2.5, 1, 2.5. Seed 1: 1.5, 1.5, 3.
    assert mean_ranks(rows) == [2.0, 1.25, 2.75]


def test_no_rank_for_one_row_or_without_a_common_seed():
    assert mean_ranks([{0: 0.5}]) == [None]
    assert mean_ranks([{0: 0.5}, {1: 0.5}]) == [None, None]
    assert mean_ranks([]) == []
