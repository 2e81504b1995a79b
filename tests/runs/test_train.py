"""Which part selects the epoch."""

import types

import pytest

from keras_balance.errors import UsageError
from keras_balance.protocols.config import RunConfig
from keras_balance.runs import measure
from keras_balance.runs import train
from keras_balance.runs.callbacks import best_epoch

PARTS = types.SimpleNamespace(validation="v", test="t")
NO_VALIDATION = types.SimpleNamespace(validation=None, test="t")


@pytest.mark.parametrize(
    ("selection", "parts", "watched"),
    [
        ("validation", PARTS, "v"),
        ("test", PARTS, "t"),
        ("test", NO_VALIDATION, "t"),
        ("last", PARTS, "v"),
        ("last", NO_VALIDATION, None),
    ],
)
def test_watched_part(selection, parts, watched):
    assert train._watched(RunConfig(selection=selection), parts) == watched


def test_no_validation_part():
    with pytest.raises(UsageError, match="Expected a validation part"):
        train._watched(RunConfig(), NO_VALIDATION)


def test_selecting_on_test_is_said_in_words():
    assert "TEST part" in measure.SELECTION["test"]
    assert "optimistic" in measure.SELECTION["test"]


def test_best_epoch_is_the_first_of_equals():
    values = [0.1, 0.5, 0.5, 0.2]
    history = [{"epoch": i, "val_accuracy": v} for i, v in enumerate(values)]
    assert best_epoch(history, "val_accuracy") == 1
    assert best_epoch(history, None) == 3


def test_an_epoch_of_something_else_is_not_selected():
    values = [None, None, 0.1, 0.3]
    history = [
        {"epoch": i, "not_own": 1.0} if v is None else {"epoch": i, "val": v}
        for i, v in enumerate(values)
    ]
    assert best_epoch(history, "val") == 3
    assert best_epoch(history[:3], None) == 2
    assert best_epoch(history[:2], "val") is None
    assert best_epoch([*history, {"epoch": 4, "not_own": 1.0}], None) == 3
