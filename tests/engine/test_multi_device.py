"""Two devices train as one does; each run is a process of its own."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.multi_device
SCRIPT = pathlib.Path(__file__).parent / "train_on_devices.py"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What one and what two devices made, dicts of arrays."""
    if keras.config.backend() == "torch":
        pytest.skip("keras_balance trains on one device on torch")
    folder = tmp_path_factory.mktemp("devices")
    paths = [folder / f"{devices}.npz" for devices in (1, 2)]
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, path.stem, path],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for path in paths
    ]
    results = []
    for process, path in zip(processes, paths, strict=True):
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output[-3000:]
        with np.load(path) as file:
            results.append(dict(file))
    return results


def test_weights_are_those_of_one_device(trained):
    one, two = trained
    assert list(one) == list(two) and len(one) > 50
    differences = {
        key: float(np.max(np.abs(one[key] - two[key])))
        for key in one
        if one[key].dtype.kind == "f" and one[key].size
    }
    for key, difference in differences.items():
        most = 1e-5 if key.startswith("float32") else 2e-3
        assert difference < most, (key, difference)


def test_histories_are_those_of_one_device(trained):
    one, two = trained
    keys = [key for key in one if key.endswith("/history")]
    assert len(keys) > 3
    for key in keys:
        first, second = (json.loads(str(arrays[key])) for arrays in trained)
        assert list(first) == list(second)
        full = key.startswith("float32")
        for name in first:
            if name.endswith("accuracy") and not full:
                # Rounding to half precision decides near ties.
                continue
            np.testing.assert_allclose(
                first[name],
                second[name],
                rtol=1e-4 if full else 2e-2,
                atol=1e-6,
                err_msg=f"{key} {name}",
            )


def test_faults_of_all_devices_are_counted(trained):
    for arrays in trained:
        assert str(arrays["faults"]) == (
            "Labels must be integers from 0 to 2. Received: 3 others in "
            "epoch 1. One-hot rows hold a single 1, shares of the classes "
            "sum to 1; multi-label problems are not supported."
        )


def test_branches_are_refused_under_a_strategy(trained):
    if keras.config.backend() == "jax":
        pytest.skip("JAX has branches on several devices")
    for arrays in trained:
        assert (
            "AlternatingLearning chooses at each batch what to train, which "
            "TensorFlow cannot do inside a step under a strategy. Received: "
            "MirroredStrategy. Compile with steps_per_execution=1, train on "
            "one device, or on the jax backend with keras.distribution."
        ) in str(arrays["branches"])
