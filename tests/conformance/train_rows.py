"""Trains every row for 20 steps and writes the weights; run as a script.

KERAS_BACKEND=jax python tests/conformance/train_rows.py OUT.npz
"""

import sys

import keras
import networks
import numpy as np
import table

OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.005),
}


def fixed_normal(shape, **_):
    """The same draw for a shape, on every backend."""
    draw = np.random.default_rng(sum(shape)).normal(size=shape)
    return keras.ops.convert_to_tensor(draw.astype("float32"))


def main(path):
    keras.random.normal = fixed_normal
    x, y = networks.data(rows=80, seed=5)
    arrays = {}
    for row in table.ROWS:
        for name, make in OPTIMIZERS.items():
            model = networks.model(row, optimizer=make())
            # 5 batches an epoch: 20 steps.
            history = model.fit(
                x,
                y,
                validation_data=(x, y) if model.needs_validation else None,
                batch_size=16,
                epochs=4,
                shuffle=False,
                verbose=0,
            ).history
            for i, v in enumerate(model.variables):
                # The state of an unused generator differs between backends.
                if "seed" not in v.path:
                    value = keras.ops.convert_to_numpy(v)
                    arrays[f"{row.id}/{name}/{i}/{v.name}"] = value
            for key, values in history.items():
                arrays[f"{row.id}/{name}/history/{key}"] = np.array(values)
    np.savez(path, **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
