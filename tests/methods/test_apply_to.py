"""Under Adam a constant coefficient does nothing, or what it says."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_balance as kb

STEPS, RATE, EPSILON = 200, 1e-3, 1e-7
# The last coefficient rises half-way through training.
FACTORS = {
    "tenth": np.full(STEPS, 0.1),
    "one": np.full(STEPS, 1.0),
    "ten": np.full(STEPS, 10.0),
    "rising": np.where(np.arange(STEPS) < STEPS // 2, 0.0879, 1.0),
}
# Noisy, mostly of one sign, and so large that epsilon is nothing beside them.
GRADIENTS = 30 * (np.random.default_rng(1).normal(size=STEPS) + 1)


class Fed(kb.OGM):
    """OGM whose gradients and coefficients are columns of the inputs."""

    def modulate(self, gradients, outputs, batch):
        self.fed = [batch.x[name][0] for name in self.modalities]
        gradients = [self.fed[0][0] * ops.ones_like(g) for g in gradients]
        return super().modulate(gradients, outputs, batch)

    def coefficients(self, scores):
        return ops.stack([column[1] for column in self.fed])


def displacements(apply_to):
    """How far a bias of each encoder moves, relative to no coefficient."""
    model = Fed(
        {name: keras.layers.Dense(1) for name in FACTORS},
        num_classes=2,
        apply_to=apply_to,
    )
    optimizer = keras.optimizers.Adam(RATE, epsilon=EPSILON)
    model.compile(optimizer=optimizer)
    x = {
        name: np.stack([GRADIENTS, k], axis=1).astype("float32")
        for name, k in FACTORS.items()
    }
    y = np.zeros(STEPS, "int32")
    model.fit(x, y, batch_size=1, shuffle=False, verbose=0)
    moved = {
        name: float(ops.convert_to_numpy(encoder.bias)[0])
        for name, encoder in model.encoders.items()
    }
    assert moved["one"] == pytest.approx(adam_steps().sum(), rel=2e-5)
    return {name: way / moved["one"] for name, way in moved.items()}


def adam_steps(factors=1.0):
    """Adam's steps for the scaled gradients, in float64."""
    m = v = 0.0
    steps = []
    for t, g in enumerate(factors * GRADIENTS, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        corrected = m / (1 - 0.9**t), np.sqrt(v / (1 - 0.999**t))
        steps.append(-RATE * corrected[0] / (corrected[1] + EPSILON))
    return np.array(steps)


@pytest.mark.filterwarnings("ignore:.*multiplies gradients")
def test_on_the_gradient_only_changes_are_felt():
    ratios = displacements("gradient")
    assert ratios["tenth"] == pytest.approx(1, abs=2e-6)
    assert ratios["ten"] == pytest.approx(1, abs=2e-6)
    rising = adam_steps(FACTORS["rising"]).sum() / adam_steps().sum()
    assert rising > 1.2, "smaller gradients first make for a longer way"
    assert ratios["rising"] == pytest.approx(rising, rel=2e-5)


def test_on_the_update_a_coefficient_is_a_learning_rate():
    ratios = displacements("update")
    assert ratios["tenth"] == pytest.approx(0.1, rel=2e-5)
    assert ratios["ten"] == pytest.approx(10, rel=2e-5)
    rising = (FACTORS["rising"] * adam_steps()).sum() / adam_steps().sum()
    assert ratios["rising"] == pytest.approx(rising, rel=2e-5)


def test_adam_on_the_gradient_is_warned_of():
    encoders = {name: keras.layers.Dense(1) for name in ("audio", "text")}
    model = kb.OGM(encoders, num_classes=2)
    with pytest.warns(UserWarning, match="apply_to='update' or SGD"):
        model.compile(optimizer=keras.optimizers.Adam())
