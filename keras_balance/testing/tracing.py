"""How often Python runs a step: where it is compiled, once for each shape."""

import keras

from keras_balance.engine import TRACES
from keras_balance.testing import expect
from keras_balance.testing import networks


class _Counting(keras.layers.Layer):
    """Passes its input on and counts how often Python ran it to train."""

    calls = 0

    def call(self, x, training=False):
        if training:
            type(self).calls += 1
        return x


class Passes:
    """Counts, by modality, how often Python runs a model's encoders to train.

    passes = Passes()
    model = networks.model(row, wrap=passes.counted)
    ...
    passes.of(model)
    """

    def __init__(self):
        self._counters = {}

    def counted(self, name, encoder):
        """The encoder of a modality, counting; so do its copies."""
        counter = type(f"Counting_{name}", (_Counting,), {"calls": 0})
        self._counters[name] = counter
        inputs = keras.Input(networks.SHAPES[name])
        return keras.Model(inputs, encoder(counter()(inputs)), name=name)

    def of(self, model):
        """Dict by modality of the passes until now."""
        return {name: self._counters[name].calls for name in model.modalities}


def check_no_trace_again(row, first, second):
    """Python ran for each phase and shape, and not again in later epochs.

    Args:
        row: `Row`.
        first: dict by modality of passes, after two rounds of the phases at
            least and batches of two shapes.
        second: dict by modality of passes, after as many epochs again.

    Raises:
        AssertionError: it ran more often.
    """
    expect.true(first == second, f"{row.id}: {first} traces, then {second}")
    allowed = TRACES * row.passes
    expect.true(
        all(1 <= calls <= allowed for calls in first.values()),
        f"{row.id}: {first} traces, at most {allowed} expected",
    )


def one_trace_per_phase_and_batch_shape(row):
    passes = Passes()
    model = networks.model(row, wrap=passes.counted)
    data = networks.data(rows=40)
    # Batches of 16, 16 and 8: two shapes.
    networks.fit(model, data, epochs=2 * row.phases)
    first = passes.of(model)
    networks.fit(
        model, data, epochs=4 * row.phases, initial_epoch=2 * row.phases
    )
    second = passes.of(model)
    if TRACES is not None:
        check_no_trace_again(row, first, second)
        return
    # Every step runs Python, and the same number of times; where later epochs
    # go through fewer phases, from then on.
    if not row.settles:
        same = {k: 2 * v for k, v in first.items()} == second
        expect.true(same, f"passes: {first}, then {second}")
        return
    # Summed, as stages take turns.
    cycle = 2 * row.phases
    networks.fit(model, data, epochs=4 * cycle, initial_epoch=2 * cycle)
    before = sum(second.values()) - sum(first.values())
    later = sum(passes.of(model).values()) - sum(second.values())
    expect.true(
        later == 2 * before,
        f"passes: {before} in a cycle, then {later} in two",
    )


CHECKS = (one_trace_per_phase_and_batch_shape,)
