import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_balance.data.loading.splits import cut_groups
from keras_balance.data.loading.splits import largest_remainder
from keras_balance.data.loading.splits import part_numbers
from keras_balance.data.loading.splits import shared
from keras_balance.data.loading.splits import split_groups
from keras_balance.data.loading.splits import stratified_cut

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=200)


@given(LABELS, st.floats(0, 0.99), st.integers(0, 5))
def test_cut_properties(labels, fraction, seed):
    labels = np.array(labels)
    indices = np.flatnonzero(labels != 3)
    rest, part = stratified_cut(labels, indices, fraction, seed)
    assert np.array_equal(np.sort(np.concatenate([rest, part])), indices)
    assert len(part) == round(fraction * len(indices))
    for c in np.unique(labels[indices]):
        size = np.sum(labels[indices] == c)
        share = size * len(part) / len(indices)
        assert abs(np.sum(labels[part] == c) - share) < 1


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=9), st.data())
def test_largest_remainder_properties(sizes, data):
    total = data.draw(st.integers(0, sum(sizes)))
    shares = largest_remainder(sizes, total)
    assert shares.sum() == total
    assert np.all(shares <= sizes) and np.all(shares >= 0)


@given(
    st.lists(st.integers(0, 40), min_size=3, max_size=60),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 3),
)
def test_groups_never_overlap(groups, test, validation, seed):
    if len(set(groups)) < 3:
        with pytest.raises(ValueError, match="at least 3"):
            split_groups(groups, test, validation, seed)
        return
    parts = split_groups(groups, test, validation, seed)
    assert shared(parts) == {}
    assert all(parts.values())
    assert sorted(sum(parts.values(), [])) == sorted(set(groups))


def test_shared_names_the_parts():
    parts = {"train": "abc", "validation": "cd", "test": "ca"}
    assert shared(parts) == {
        "a": ["test", "train"],
        "c": ["test", "train", "validation"],
    }


@pytest.mark.parametrize("fraction, count", [(0.01, 1), (0.5, 3), (0.99, 5)])
def test_groups_are_cut_whole(fraction, count):
    groups = [f"g{k % 6}" for k in range(30)]
    rest, part = cut_groups(groups, np.arange(30), fraction, seed=1)
    assert len({groups[i] for i in part}) == count
    assert not {groups[i] for i in part} & {groups[i] for i in rest}
    assert sorted([*rest, *part]) == list(range(30))
    again = cut_groups(groups, np.arange(30), fraction, seed=1)[1]
    np.testing.assert_array_equal(part, again)


def test_a_single_group_is_not_cut():
    rest, part = cut_groups(["a"] * 4, np.arange(4), 0.5, seed=0)
    assert len(rest) == 4 and len(part) == 0


def test_parts_are_three_or_none():
    assert part_numbers(["test", None, "train"]).tolist() == [2, -1, 0]
    with pytest.raises(ValueError, match="Received: dev, val"):
        part_numbers(["val", "train", "dev"])
