"""Settings that change nothing are said."""

import dataclasses

import pytest

from keras_balance.runs import recipe
from keras_balance.runs.no_effect import without_effect

CONFIG = recipe.load("cremad-ogm").Config()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"momentum": 0.5}, []),
        (
            {"momentum": 0.5, "optimizer": "adam"},
            ["momentum=0.5 has no effect: optimizer=adam has none."],
        ),
        ({"decay_epoch": 99}, []),
        (
            {"decay_epoch": 100},
            [
                "decay_epoch=100 has no effect: with epochs=100 the lower "
                "learning rate, from decay_epoch=100 on, never comes."
            ],
        ),
        (
            {"epochs": 5, "decay_factor": 0.5},
            [
                "decay_factor=0.5 has no effect: with epochs=5 the lower "
                "learning rate, from decay_epoch=70 on, never comes."
            ],
        ),
        (
            {"decay_epoch": 3, "decay_factor": 1.0},
            [
                "decay_epoch=3 has no effect: decay_factor=1.0 is no lower "
                "learning rate."
            ],
        ),
        (
            {"epochs": 5, "probe_every": 7},
            ["probe_every=7 has no effect: there are but 5 epochs."],
        ),
    ],
)
def test_what_is_set_for_nothing(values, said):
    config = dataclasses.replace(CONFIG, **values)
    assert without_effect(config, list(values)) == said


def test_what_the_recipe_has_goes_without_saying():
    assert without_effect(dataclasses.replace(CONFIG, epochs=2), []) == []
