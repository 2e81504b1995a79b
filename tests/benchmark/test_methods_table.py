"""The table of methods: equal trials, counted passes, what it prints."""

import json
import pathlib
import sys

import numpy as np
import pytest

import keras_balance as kb
from keras_balance.runs.method import parameters

FOLDER = pathlib.Path(__file__).parents[2] / "tools" / "benchmark"


@pytest.fixture(scope="module")
def tools():
    """The modules `methods` and `passes` of tools/benchmark."""
    sys.path.insert(0, str(FOLDER))
    try:
        import methods
        import passes
    finally:
        sys.path.remove(str(FOLDER))
    return methods, passes


@pytest.mark.parametrize("name", ["avdigits", "mosi", "mfeat"])
def test_every_method_has_four_trials(tools, name):
    methods, _ = tools
    for slug in kb.methods.names():
        trials = methods.trials(name, slug)
        assert len(trials) == 4, slug
        assert len({json.dumps(t) for t in trials}) == 4, slug
        named = set(trials[0]) - {"learning_rate"}
        assert named <= parameters(slug), slug


# Forward and backward passes of single encoders per training sample, in each
# epoch: the least that an algorithm can do with.
JOINT = (2.0, 2.0)
COUNTED = [
    ("joint", {}, [JOINT] * 2),
    ("mlb", {}, [JOINT] * 2),
    # The extra pass, and a row of zeros per batch of eight.
    ("agm", {}, [(4.25, 4.25)] * 2),
    ("ume", {}, [JOINT] * 2),
    ("dgl", {}, [JOINT] * 2),
    ("mla", {}, [JOINT] * 2),
    ("aug", {}, [JOINT] * 2),
    ("arl", {}, [JOINT] * 2),
    ("mcr", {}, [JOINT] * 2),
    ("inforeg", {}, [JOINT] * 2),
    ("alternating", {}, [(1.0, 1.0)] * 2),
    # Stage and rectification of the first modality, then of the second, for
    # which the first is run, too.
    (
        "reconboost",
        {"stage_epochs": 1, "rectify_epochs": 1},
        [(1.0, 1.0), (1.0, 1.0), (2.0, 1.0), JOINT],
    ),
    # From the second stage on, the features of the stage before are read.
    ("igm", {"stage_epochs": 2, "sam": False}, [(1.0, 1.0)] * 2 + [(2.0, 1.0)]),
    ("igm", {"stage_epochs": 2}, [JOINT] * 2 + [(3.0, 2.0)]),
    ("sam", {}, [(4.0, 4.0)] * 2),
    ("mmpareto", {}, [(2.0, 4.0)] * 2),
    ("umt", {"teacher_epochs": 1}, [JOINT, (4.0, 2.0)]),
    ("g2d", {"teacher_epochs": 1}, [JOINT, (4.0, 2.0)]),
    ("smv", {"warmup_epochs": 1}, [JOINT, (4.0, 2.0)]),
    (
        "smv",
        {"warmup_epochs": 1, "level": "modality", "part": 0.25},
        [JOINT, (2.5, 2.0)],
    ),
]


@pytest.mark.parametrize(
    "slug,arguments,expected",
    COUNTED,
    ids=[f"{slug}-{len(arguments)}" for slug, arguments, _ in COUNTED],
)
def test_passes_are_those_of_the_algorithm(tools, slug, arguments, expected):
    _, passes = tools
    found = passes.per_epoch(slug, arguments, 2, len(expected))
    np.testing.assert_allclose(found, expected)


def test_budget_gives_cheaper_epochs_more_of_them(tools):
    _, passes = tools
    assert passes.epochs_within(12.0, "joint", {}, 2, 20) == (3, 12.0)
    by_epoch = {"granularity": "epoch"}
    found = passes.epochs_within(12.0, "alternating", by_epoch, 2, 20)
    assert found == (6, 12.0)


def test_table_of_finished_runs(tools, tmp_path):
    methods, _ = tools
    for slug, accuracy in (("joint", 50.0), ("ogm", 60.0)):
        for index, trial in enumerate(methods.trials("mosi", slug)):
            for seed in methods.SEEDS:
                result = {
                    "hyperparameters": trial,
                    "epochs": 3,
                    "passes": 18.0,
                    "seconds_an_epoch": 2.0 if slug == "ogm" else 1.0,
                    "validation": float(index == 2),
                    "accuracy": accuracy + seed,
                    "macro_f1": 40.0,
                    "per_modality": {"text": 70.0, "audio": 30.0},
                    "gap": 40.0,
                }
                path = methods.run_path(tmp_path, "mosi", slug, index, seed)
                methods.save(path, result)
    assert methods.best_trial(tmp_path, "mosi", "joint") == 2
    table = methods.markdown(tmp_path, "mosi", ["joint", "ogm", "pmr"])
    (row,) = [line for line in table.splitlines() if line.startswith("| ogm")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == "61.0 ± 1.0"
    assert cells[8:10] == ["2.00", "2.00"]
    assert "pmr" not in table
