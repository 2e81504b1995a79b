"""Trains a model and saves it: run in a process of its own.

KERAS_BACKEND=jax python write_model.py FOLDER
"""

import pathlib
import sys

import keras
import numpy as np

sys.path.append(str(pathlib.Path(__file__).parents[1] / "conformance"))
import networks  # noqa: E402
import table  # noqa: E402

ROWS = (
    table.Row("joint", {"fusion": "gated", "heads": True}),
    table.Row("ogm-ge", {"seed": 1}),
    table.Row("mlb"),
    table.Row("alternating"),
)


def main(folder):
    data = networks.data(rows=32)
    for row in ROWS:
        model = networks.model(row, optimizer=keras.optimizers.Adam(0.01))
        model.fit(*data, batch_size=16, epochs=2, verbose=0)
        model.save(folder / f"{row.slug}.keras")
        model.save_weights(folder / f"{row.slug}.weights.h5")
        logits = model.predict(data[0], verbose=0)
        np.save(folder / f"{row.slug}.npy", logits)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
