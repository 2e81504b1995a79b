"""Tiny networks and data, the same numbers on every backend.

The audio encoder has BatchNormalization, the visual one a convolution; no bias
stands before BatchNormalization, where its gradient would be rounding error.
"""

import keras
import numpy as np
from keras import layers

import keras_balance as kb

CLASSES = 3
SHAPES = {"audio": (6,), "visual": (6, 6, 1), "text": (4,)}


def encoder(name, normalize=True):
    """The encoder of a modality: features `(batch, 5)`."""
    inputs = keras.Input(SHAPES[name])
    if name == "visual":
        x = layers.Conv2D(4, 3, activation="relu", data_format="channels_last")(
            inputs
        )
        x = layers.GlobalAveragePooling2D(data_format="channels_last")(x)
    else:
        x = layers.Dense(8, use_bias=not normalize)(inputs)
        if normalize and name == "audio":
            x = layers.BatchNormalization()(x)
        x = layers.Activation("tanh")(x)
    return keras.Model(inputs, layers.Dense(5)(x), name=name)


def data(rows=48, modalities=("audio", "visual"), seed=0):
    """Separable data `(x, y)`; audio is easy, visual hard."""
    random = np.random.default_rng(seed)
    y = random.integers(0, CLASSES, rows).astype("int32")
    strength = {"audio": 1.5, "visual": 0.5, "text": 0.8}
    x = {}
    for name in modalities:
        pattern = random.normal(size=(CLASSES, *SHAPES[name]))
        noise = random.normal(size=(rows, *SHAPES[name]))
        x[name] = (strength[name] * pattern[y] + noise).astype("float32")
    return x, y


def filled(x, batch_size):
    """Inputs with what encoders are given in absent rows.

    That is what the first present row of the batch holds; it only matters
    where BatchNormalization sees it.
    """
    x = dict(x)
    for mark in [key for key in x if key.endswith("_present")]:
        name = mark.removesuffix("_present")
        values = x[name].copy()
        for start in range(0, len(values), batch_size):
            rows = slice(start, start + batch_size)
            first = values[rows][x[mark][rows].argmax()]
            values[rows][~x[mark][rows]] = first
        x[name] = values
    return x


def model(
    row,
    modalities=("audio", "visual"),
    optimizer=None,
    normalize=True,
    eager=False,
    compile_arguments=None,
    wrap=None,
    **arguments,
):
    """A compiled model of a table's row, with weights from NumPy.

    An eager one spares the compiler, which takes most of a test's time, where
    a test is not about compiled code. `wrap(name, encoder)` is what a modality
    gets instead of its encoder.
    """
    if eager:
        compile_arguments = {"run_eagerly": True, **(compile_arguments or {})}
    encoders = {name: encoder(name, normalize) for name in modalities}
    if wrap is not None:
        encoders = {name: wrap(name, e) for name, e in encoders.items()}
    network = kb.methods.create(
        row.slug,
        encoders=encoders,
        num_classes=CLASSES,
        **{**row.arguments, **arguments},
    )
    network.build({name: (None, *SHAPES[name]) for name in modalities})
    set_weights(network)
    network.compile(
        optimizer=optimizer or keras.optimizers.SGD(0.1, momentum=0.9),
        metrics=["accuracy"],
        **(compile_arguments or {}),
    )
    return network


_SHARED = {}


def reused(row, **arguments):
    """`model` with what it started from, compiled once for all tests.

    Calls with equal arguments return one object: take its `weights` before
    calling again.
    """
    key = (row.id, repr(sorted(arguments.items())))
    if key not in _SHARED:
        network = model(row, **arguments)
        network.optimizer.build(network.trainable_variables)
        _SHARED[key] = network, weights(network)
    network, start = _SHARED[key]
    variables = [*network.variables, *network.optimizer.variables]
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
    return network


def fit(network, data, **arguments):
    """Two epochs in order, unless told otherwise; returns the history."""
    arguments = {
        "validation_data": data if network.needs_validation else None,
        "batch_size": 16,
        "epochs": 2,
        "shuffle": False,
        "verbose": 0,
        **arguments,
    }
    return network.fit(*data, **arguments).history


def set_weights(network, seed=1):
    """Kernels that a seed draws in NumPy, the same on every backend."""
    random = np.random.default_rng(seed)
    for variable in network.trainable_variables:
        if len(variable.shape) > 1:
            fan_in = np.prod(variable.shape[:-1])
            values = random.normal(size=variable.shape) / np.sqrt(fan_in)
            variable.assign(values.astype("float32"))


def weights(network):
    """All variables as NumPy arrays, those of the optimizer last."""
    variables = [*network.variables, *network.optimizer.variables]
    return [numpy(v) for v in variables]


def numpy(variable):
    """A copy of what a variable holds now."""
    return np.array(keras.ops.convert_to_numpy(variable))


def difference(one, other):
    """The largest absolute difference of two lists of arrays."""
    return max(
        float(np.max(np.abs(a.astype("float64") - b.astype("float64"))))
        for a, b in zip(one, other, strict=True)
        if a.size
    )
