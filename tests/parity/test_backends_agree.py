"""Twenty steps from the same weights end in the same weights everywhere."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = pathlib.Path(__file__).parents[1] / "conformance" / "train_rows.py"
BACKENDS = ("tensorflow", "jax", "torch")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Dict by backend of dicts of arrays."""
    folder = tmp_path_factory.mktemp("trained")
    processes = {
        backend: subprocess.Popen(
            [sys.executable, SCRIPT, folder / f"{backend}.npz"],
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "OMP_NUM_THREADS": "1",
                "CUDA_VISIBLE_DEVICES": "",
                # Quick code serves as well as fast code.
                "XLA_FLAGS": "--xla_backend_optimization_level=0",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for backend in BACKENDS
    }
    arrays = {}
    for backend, process in processes.items():
        output, _ = process.communicate(timeout=1500)
        assert process.returncode == 0, output[-3000:]
        with np.load(folder / f"{backend}.npz") as file:
            arrays[backend] = dict(file)
    return arrays


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_weights_and_history_are_those_of_jax(trained, backend):
    reference, other = trained["jax"], trained[backend]
    assert set(reference) == set(other)
    rows = {key.split("/")[0] for key in reference}
    assert len(rows) > 10
    differences = {
        key: float(np.max(np.abs(reference[key] - other[key])))
        for key in reference
        if reference[key].size and "/history/" not in key
    }
    worst = max(differences, key=differences.get)
    assert differences[worst] <= 1e-5, (worst, differences[worst])
    for key in reference:
        if "/history/" in key:
            np.testing.assert_allclose(
                reference[key], other[key], rtol=1e-4, atol=1e-5, err_msg=key
            )
