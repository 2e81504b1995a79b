"""Trains methods on one or two devices: run in a process of its own.

    python train_on_devices.py DEVICES OUTPUT.npz

Writes the weights and the history of each method.
"""

import json
import os
import pathlib
import sys

import numpy as np

os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=2",
    ]
)
# A device that waits for the other one holds a thread: with as many threads as
# cores, and with programs in flight together, nobody may be left to come.
os.environ["NPROC"] = "16"
os.environ["JAX_CPU_ENABLE_ASYNC_DISPATCH"] = "false"

import keras  # noqa: E402

sys.path.append(str(pathlib.Path(__file__).parents[1] / "conformance"))
import networks  # noqa: E402
import table  # noqa: E402

JAX = keras.config.backend() == "jax"


def scope(devices):
    """The context in which models are made and trained."""
    if JAX:
        names = [f"cpu:{i}" for i in range(devices)]
        return keras.distribution.DataParallel(devices=names).scope()
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    names = [f"CPU:{i}" for i in range(devices)]
    return tf.distribute.MirroredStrategy(names).scope()


def coupled():
    from keras_balance.optimizers import CoupledWeightDecay

    inner = keras.optimizers.SGD(0.1, momentum=0.9)
    return CoupledWeightDecay(inner, 0.05)


def adam():
    return keras.optimizers.Adam(0.01)


RUNS = [
    (table.Row("joint"), coupled, "float32"),
    (table.Row("ogm"), coupled, "float32"),
    (table.Row("mlb"), adam, "float32"),
    (table.Row("agm"), coupled, "float32"),
]
RUNS.append((table.Row("alternating"), adam, "float32"))
if not JAX:
    RUNS.append((table.Row("ogm"), coupled, "mixed_float16"))


class Batches(keras.utils.PyDataset):
    """Batches of 16, not looked at before training."""

    def __init__(self, x, y, weight):
        super().__init__()
        self.arrays = x, y, weight

    def __len__(self):
        return len(self.arrays[1]) // 16

    def __getitem__(self, i):
        rows = slice(16 * i, 16 * i + 16)
        return keras.tree.map_structure(lambda a: a[rows], self.arrays)


def make_model(row, optimizer, **compile_arguments):
    """A model with penalties on weights and on the features of audio, and
    without BatchNormalization on TensorFlow, where each replica has its own."""
    model = networks.model(
        row,
        optimizer=optimizer,
        normalize=JAX,
        compile_arguments=compile_arguments,
    )
    for encoder in model.encoders.values():
        encoder.layers[-1].kernel.regularizer = keras.regularizers.L2(0.1)
    model.encoders["audio"].layers[-1].activity_regularizer = penalty
    return model


def penalty(x):
    """What a layer adds to the loss; Keras divides it by the rows it sees."""
    x = keras.ops.cast(x, "float32")
    return 0.02 * keras.ops.sum(keras.ops.square(x))


def train(data, arrays):
    for row, make, policy in RUNS:
        keras.config.set_dtype_policy(policy)
        model = make_model(row, make())
        history = model.fit(
            data, validation_data=data, epochs=2, shuffle=False, verbose=0
        ).history
        for i, v in enumerate(model.weights):
            value = keras.ops.convert_to_numpy(v)
            arrays[f"{policy}/{row.id}/{i}/{v.name}"] = value
        arrays[f"{policy}/{row.id}/history"] = np.array(json.dumps(history))


def error_of(slug, data, **compile_arguments):
    """The message with which training ends, or nothing."""
    keras.config.set_dtype_policy("float32")
    model = make_model(table.Row(slug), coupled(), **compile_arguments)
    try:
        model.fit(data, verbose=0)
    except (ValueError, RuntimeError) as error:
        return np.array(str(error))
    return np.array("")


def main(devices, path):
    x, y = networks.data(rows=32)
    weight = np.linspace(0.5, 1.5, 32).astype("float32")
    # As floats: under a strategy Keras cannot build from booleans.
    x["visual_present"] = (np.arange(32) % 5 != 0).astype("float32")
    arrays = {}
    with scope(devices):
        train(Batches(x, y, weight), arrays)
        y[[3, 20, 25]] = 9, -1, 7
        arrays["faults"] = error_of("joint", Batches(x, y, weight))
        if not JAX:
            arrays["branches"] = error_of(
                "alternating", Batches(x, y * 0, weight), steps_per_execution=2
            )
    np.savez(path, **arrays)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
