"""Trains every method for 20 steps and writes the weights; run as a script.

KERAS_BACKEND=jax python tests/conformance/train_rows.py OUT.npz

Where steps are compiled, it goes on for as long as it takes to see that none
is traced again, and fails where one is.
"""

import sys

import keras
import networks
import numpy as np
import table

from keras_balance.engine import TRACES
from keras_balance.testing import tracing

OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.005),
}

EPOCHS = 4

# The most rows of a draw.
ROWS = 256


def fixed(kind, shape):
    """The same draw for a shape, on every backend.

    The number of rows may be known to the compiled step alone.
    """
    known = tuple(shape[1:])
    draw = getattr(np.random.default_rng(sum(known)), kind)
    draws = draw(size=(ROWS, *known) if shape else ()).astype("float32")
    draws = keras.ops.convert_to_tensor(draws)
    return draws[: shape[0]] if shape else draws


def fixed_normal(shape, **_):
    return fixed("normal", shape)


def fixed_uniform(shape, **_):
    """Between 0 and 1."""
    return fixed("uniform", shape)


def check_traces(row, model, data, passes):
    """Trains on through the phases, after `EPOCHS` epochs."""
    half = max(EPOCHS, 2 * row.phases)
    if half > EPOCHS:
        networks.fit(model, data, epochs=half, initial_epoch=EPOCHS)
    first = passes.of(model)
    networks.fit(model, data, epochs=2 * half, initial_epoch=half)
    tracing.check_no_trace_again(row, first, passes.of(model))


def main(path):
    keras.random.normal = fixed_normal
    keras.random.uniform = fixed_uniform
    # 5 batches an epoch, the last one shorter.
    data = networks.data(rows=72, seed=5)
    arrays = {}
    for row in table.FIRST:
        for name, make in OPTIMIZERS.items():
            # Adam for a few: what it is given is the same gradient.
            if name == "adam" and row.slug not in table.UNLIKE:
                continue
            passes = tracing.Passes()
            model = networks.model(row, optimizer=make(), wrap=passes.counted)
            history = networks.fit(model, data, epochs=EPOCHS)
            for i, v in enumerate(model.variables):
                # The state of an unused generator differs between backends.
                if "seed" not in v.path:
                    value = keras.ops.convert_to_numpy(v)
                    arrays[f"{row.id}/{name}/{i}/{v.name}"] = value
            for key, values in history.items():
                arrays[f"{row.id}/{name}/history/{key}"] = np.array(values)
            if TRACES is not None and name == "momentum":
                check_traces(row, model, data, passes)
    np.savez(path, **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
