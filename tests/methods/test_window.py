"""The epochs in which a method acts: both ends included, counted from 0."""

import keras
import networks
import numpy as np
import pytest
import table

NAMES = ("audio", "text")


@pytest.fixture(scope="module")
def data():
    return networks.data(rows=32, modalities=NAMES)


def make(slug="ogm", **arguments):
    if slug in ("ogm-ge", "ge"):
        arguments["seed"] = 5
    return networks.model(table.Row(slug), modalities=NAMES, **arguments)


def fit(model, data, epochs=1, initial_epoch=0):
    return model.fit(
        *data,
        batch_size=16,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=0,
    ).history


def acting(history):
    """The epochs, from the first, whose coefficients are not all 1."""
    k = np.array([history[f"{name}_coefficient"] for name in NAMES])
    return [bool(epoch) for epoch in (k != 1).any(axis=0)]


@pytest.mark.parametrize(
    "window, expected",
    [
        (None, [True] * 5),
        ((1, 3), [False, True, True, True, False]),
        ((2, 2), [False, False, True, False, False]),
        ((0, 0), [True, False, False, False, False]),
    ],
)
def test_ogm_acts_inside_its_window(data, window, expected):
    assert acting(fit(make(window=window), data, epochs=5)) == expected


def test_initial_epoch_counts(data):
    history = fit(make(window=(3, 4)), data, epochs=6, initial_epoch=2)
    assert acting(history) == [False, True, True, False]


def test_a_second_fit_counts_its_own_epochs(data):
    model = make(window=(1, 1))
    assert acting(fit(model, data, epochs=3)) == [False, True, False]
    assert acting(fit(model, data, epochs=2)) == [False, True]
    assert acting(fit(model, data, epochs=4, initial_epoch=3)) == [False]


@pytest.fixture(scope="module")
def joint(data):
    """The weights after one epoch of joint training."""
    network = make("joint")
    fit(network, data)
    return trained(network)


def trained(network):
    return [
        np.array(keras.ops.convert_to_numpy(v))
        for v in network.trainable_variables
    ]


@pytest.mark.parametrize(
    "slug, apply_to",
    [("ogm", "gradient"), ("ogm-ge", "update"), ("ge", "gradient")],
)
def test_outside_the_window_training_is_joint(data, joint, slug, apply_to):
    model = make(slug, window=(1, 1), apply_to=apply_to)
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    start = networks.weights(model)
    for epoch, inside in ((0, False), (1, True), (2, False)):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        fit(model, data, epoch + 1, epoch)
        difference = networks.difference(trained(model), joint)
        if inside:
            assert difference > 1e-3, "no effect inside the window"
        else:
            assert difference < 1e-7, f"an effect in epoch {epoch}"
