"""What one backend has saved, this one loads."""

import os
import pathlib
import subprocess
import sys

import keras
import networks
import numpy as np
import pytest
import table

SCRIPT = pathlib.Path(__file__).parent / "write_model.py"
SLUGS = ("joint", "ogm-ge", "mlb", "alternating")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Dict from each other backend to the folder of its files."""
    here = keras.config.backend()
    others = [b for b in ("tensorflow", "jax", "torch") if b != here]
    folders = {b: tmp_path_factory.mktemp(b) for b in others}
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, folder],
            env={**os.environ, "KERAS_BACKEND": backend},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for backend, folder in folders.items()
    ]
    for process in processes:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output[-3000:]
    return list(folders.values())


@pytest.mark.parametrize("slug", SLUGS)
def test_models_and_weights_load(slug, folders):
    x, y = networks.data(rows=32)
    made_here = networks.model(table.Row("joint"))
    for folder in folders:
        expected = np.load(folder / f"{slug}.npy")
        model = keras.models.load_model(folder / f"{slug}.keras")
        # Compiled as on this backend, not as where it was saved.
        assert model.jit_compile is made_here.jit_compile
        logits = model.predict(x, verbose=0)
        np.testing.assert_allclose(logits, expected, atol=1e-5)
        # Training goes on, with the optimizer that was saved.
        steps = float(keras.ops.convert_to_numpy(model.optimizer.iterations))
        assert steps == 4
        assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()
        model.load_weights(folder / f"{slug}.weights.h5")
        logits = model.predict(x, verbose=0)
        np.testing.assert_allclose(logits, expected, atol=1e-5)
