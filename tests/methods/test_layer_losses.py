"""What layers add to the loss counts once, in methods of several passes too."""

import keras
import networks
import numpy as np
import pytest
import table
from keras import layers
from keras import ops

import keras_balance as kb

NAMES = ("audio", "text")
ROWS = [
    table.Row("agm", {"alpha": 0.0}),
    table.Row("agm", {"alpha": 0.0, "variant": "code", "clip": 0.0}),
    table.Row("sam", {"rho": 0.0}),
    table.Row("asam", {"rho": 0.0}),
    table.Row("functional-entropy", {"weight": 0.0, "samples": 2}),
    table.Row(
        "mcr",
        {"lam": 0.0, "contrastive": 0.0, "bottleneck": 0.0, "unimodal": 0.0},
    ),
]


class Penalty(layers.Layer):
    """Adds the mean square of what passes as a loss."""

    def call(self, x):
        self.add_loss(0.5 * ops.mean(ops.square(x)))
        return x


def trained(row):
    model = kb.methods.create(
        row.slug,
        encoders={
            name: keras.Sequential([layers.Dense(5), Penalty()])
            for name in NAMES
        },
        num_classes=networks.CLASSES,
        **row.arguments,
    )
    model.build({name: (None, *networks.SHAPES[name]) for name in NAMES})
    networks.set_weights(model)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), run_eagerly=True)
    x, y = networks.data(rows=32, modalities=NAMES)
    history = model.fit(
        x, y, batch_size=16, epochs=2, shuffle=False, verbose=0
    ).history
    kept = [w for e in model.encoders.values() for w in e.trainable_variables]
    return [networks.numpy(w) for w in kept], history["loss"]


@pytest.fixture(scope="module")
def joint():
    return trained(table.Row("joint"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_they_count_once(joint, row):
    weights, losses = trained(row)
    assert networks.difference(weights, joint[0]) < 1e-6
    np.testing.assert_allclose(losses, joint[1], rtol=1e-5)
