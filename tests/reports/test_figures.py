"""Figures that say what they show."""

import numpy as np
import pytest

from keras_balance.reports import figures
from keras_balance.reports.figures.picture import MARKERS
from keras_balance.reports.figures.scatter import class_keys
from keras_balance.reports.sections.training import training
from keras_balance.runs.finished import read_run


@pytest.fixture
def axes(monkeypatch):
    """Runs a drawing; returns the axes of its picture."""

    def draw(*arguments, **options):
        html = figures.curves(*arguments, **options)
        return html.pictures[0].figure.axes[0]

    return draw


def test_what_is_measured_every_few_epochs_is_one_curve(axes):
    values = [None] * 40
    values[9], values[19], values[39] = 0.5, 0.6, 0.7
    epochs = list(range(1, 41))
    drawn = axes("probe", epochs, [figures.Line("audio", values, 0)])
    (line,) = drawn.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), [10, 20, 40])
    np.testing.assert_array_equal(line.get_ydata(), [0.5, 0.6, 0.7])
    assert line.get_marker() == "o"


def test_an_accuracy_that_a_callback_logs_is_in_percent(make_run):
    run = read_run(make_run(epochs=3))
    for row in run.history:
        row["audio_probe_accuracy"] = 0.25
    html = training(run)
    (picture,) = (p for p in html.pictures if "Probe accuracy" in p.title)
    label = picture.figure.axes[0].yaxis.get_major_formatter()(0.25, 0)
    assert label == "25 %"


def test_neighbouring_classes_differ_in_colour_and_shape():
    keys = class_keys(range(figures.NAMES_UP_TO))
    looks = [(key.color, key.shape) for key in keys]
    assert len(set(looks)) == len(looks)
    for one, two in zip(keys, keys[1:], strict=False):
        assert one.color != two.color and one.shape != two.shape
    assert {key.shape for key in keys} == set(MARKERS)
