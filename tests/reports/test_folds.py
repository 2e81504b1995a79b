"""Folds and seeds are averaged apart."""

import statistics

import pytest

from keras_balance.errors import UsageError
from keras_balance.reports.comparison import compare
from keras_balance.reports.comparison import export


@pytest.fixture
def accuracy():
    """Reads a run's accuracy from its evaluation."""

    def read(run):
        return run.evaluation["test"]["accuracy"]

    return read


def row_of(runs):
    (group,) = compare(runs).groups
    (row,) = group.rows
    return row, group


@pytest.fixture
def run_of(make_run):
    """Writes a run of a seed and a fold, in a folder of its own."""

    def make(seed, fold, **more):
        return make_run(
            seed=seed,
            fold=fold,
            name=f"s{seed}f{fold}",
            epochs=1,
            analysed=False,
            **more,
        )

    return make


def test_every_fold_of_every_seed(run_of, accuracy):
    runs = [run_of(seed, fold) for seed in (0, 1, 2) for fold in (0, 1)]
    row, group = row_of(runs)
    assert row.seeds == [0, 1, 2] and row.folds == [0, 1]
    found = {(r.config["seed"], r.fold): accuracy(r) for r in row.runs}
    seeds = [(found[s, 0] + found[s, 1]) / 2 for s in (0, 1, 2)]
    folds = [sum(found[s, f] for s in (0, 1, 2)) / 3 for f in (0, 1)]
    expected = {
        "mean": statistics.fmean(seeds),
        "std": statistics.stdev(seeds),
        "n": 3,
        "std_folds": statistics.stdev(folds),
    }
    assert row.statistics("accuracy") == pytest.approx(expected)
    text = export.to_markdown(compare(runs))
    folds_text = f"(folds ± {100 * expected['std_folds']:.1f})"
    assert folds_text in text
    assert "Up to 2 folds, each with a test part of its own" in text
    assert "std_folds" in export.to_csv(compare(runs)).splitlines()[0]


def test_a_seed_that_lacks_a_fold_is_left_out(run_of, accuracy):
    runs = [run_of(0, 0), run_of(0, 1), run_of(1, 0)]
    row, _ = row_of(runs)
    own = [accuracy(run) for run in row.runs if run.config["seed"] == 0]
    assert row.by_seed("accuracy") == {0: statistics.fmean(own)}
    assert row.by_fold("accuracy") == {0: own[0], 1: own[1]}


def test_a_fold_of_its_own_for_each_seed(run_of, accuracy):
    runs = [run_of(seed, seed) for seed in (0, 1, 2)]
    row, _ = row_of(runs)
    values = [accuracy(run) for run in row.runs]
    assert row.statistics("accuracy") == {
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values),
        "n": 3,
    }
    text = export.to_markdown(compare(runs))
    assert "deviation is of seeds and folds together" in text


def test_folds_have_data_of_their_own(run_of):
    runs = [
        run_of(seed, fold, checksum=f"data{fold}")
        for seed in (0, 1)
        for fold in (0, 1)
    ]
    row, _ = row_of(runs)
    assert row.folds == [0, 1] and row.seeds == [0, 1]


def test_a_fold_of_another_copy_is_not_averaged(run_of):
    first = [run_of(0, fold, checksum=f"data{fold}") for fold in (0, 1)]
    other = run_of(1, 0, checksum="another")
    assert len(compare([*first, other]).groups) == 2


def test_one_run_twice(run_of, make_run):
    first = run_of(0, 0)
    again = make_run(seed=0, fold=0, name="again", epochs=1, analysed=False)
    with pytest.raises(UsageError, match="method, settings, fold or seed"):
        compare([first, again])
