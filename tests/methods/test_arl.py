"""ARL: its weights in NumPy, steps in plain torch, its edges."""

import networks
import numpy as np
import plain_torch
import pytest
import table
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_balance.methods import arl

NAMES = ("audio", "text")
THREE = ("audio", "visual", "text")


def make(modalities=NAMES, **arguments):
    return networks.model(
        table.Row("arl"),
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
        **{"warmup_epochs": 1, **arguments},
    )


def weights(sizes, entropies, temperature=8.0):
    given = (
        ops.convert_to_tensor(np.array(v, "float32"))
        for v in (sizes, entropies)
    )
    found = arl.dependence_weights(*given, temperature)
    return np.array(ops.convert_to_numpy(found))


def softmax(values):
    values = np.exp(values - np.max(values, axis=-1, keepdims=True))
    return values / values.sum(-1, keepdims=True)


def expected_weights(u, temperature):
    """From each modality's logits `(rows, classes)`."""
    sizes = np.array([np.abs(z).sum(1).mean() for z in u])
    p = [softmax(z) for z in u]
    h = np.array([-(q * np.log(q)).sum(1).mean() for q in p])
    h = np.maximum(h / h.sum(), {2: 0.3, 3: 0.2}[len(u)])
    v = 1 / h
    v = v / v.sum()
    others = [np.delete(sizes, m).mean() for m in range(len(u))]
    return softmax(temperature * np.array(others) / sizes.sum() * v)


def test_weights_of_two_modalities():
    # share (0.75, 0.25); entropies (0.2, 0.8), of which 0.2 is raised to 0.3.
    v = np.array([1 / 0.3, 1 / 0.8])
    v = v / v.sum()
    expected = softmax(8 * np.array([0.25 * v[0], 0.75 * v[1]]))
    np.testing.assert_allclose(weights([3, 1], [0.4, 1.6]), expected, rtol=1e-5)
    # Nothing to choose between.
    np.testing.assert_allclose(weights([2, 2], [1, 1]), [0.5, 0.5])


def test_a_sure_modality_that_counts_little_is_sped_up():
    # The second is as large as the first and surer; then also smaller.
    assert weights([1, 1], [1.0, 0.5])[1] > 0.5
    assert weights([2, 1], [1.0, 0.5])[1] > weights([1, 1], [1.0, 0.5])[1]
    assert weights([2, 1], [1.0, 1.0])[1] > 0.5


@pytest.mark.parametrize("sizes", [[0, 0], [1, 0], [0, 0, 0]])
def test_zeros_give_numbers(sizes):
    found = weights(sizes, np.zeros(len(sizes)))
    assert np.isfinite(found).all() and found.sum() == pytest.approx(1)


@given(
    st.lists(
        st.tuples(st.floats(0, 9, width=32), st.floats(0, 3, width=32)),
        min_size=2,
        max_size=4,
    )
)
def test_weights_follow_the_modalities(values):
    sizes, entropies = np.array(values, "float32").T
    found = weights(sizes, entropies)
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert (found >= 0).all()
    turned = weights(sizes[::-1], entropies[::-1])
    np.testing.assert_allclose(turned, found[::-1], atol=1e-5)


@pytest.mark.parametrize(
    "names, temperature, gamma",
    [(NAMES, 8.0, 4.0), (NAMES, 2.0, 0.5), (THREE, 8.0, 1.0)],
)
def test_training_is_that_of_the_equations(names, temperature, gamma):
    model = make(names, temperature=temperature, gamma=gamma)
    network = plain_torch.Network(model)
    x, y = networks.data(rows=48, modalities=names, seed=3)
    history = model.fit(
        x, y, batch_size=16, epochs=3, shuffle=False, verbose=0
    ).history
    seen = []
    for epoch in range(3):
        for part, labels in plain_torch.batches(x, y, 16):
            z = network.features(part)
            u = network.split(z)
            own = sum(plain_torch.cross_entropy(s, labels) for s in u.values())
            loss = plain_torch.cross_entropy(network.fuse(z), labels)
            loss = loss + (gamma if epoch else 1.0) * own
            w = np.full(len(names), 1 / len(names))
            if epoch:
                w = expected_weights(
                    [s.detach().numpy() for s in u.values()], temperature
                )
            seen.append(1 + w)
            factors = {
                v: 1 + w[i]
                for i, name in enumerate(names)
                for v in network.owned(name)
            }
            network.backward(loss)
            network.descend(factors)
    network.assert_same()
    seen = np.reshape(seen, (3, 3, len(names))).mean(1)
    for i, name in enumerate(names):
        np.testing.assert_allclose(
            history[f"{name}_coefficient"], seen[:, i], rtol=1e-5
        )
    assert abs(seen[2, 0] - seen[0, 0]) > 0.01


def test_without_temperature_all_encoders_are_sped_up_alike():
    model = make(temperature=0.0, warmup_epochs=0)
    x, y = networks.data(rows=16, modalities=NAMES)
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["audio_coefficient"] == logs["text_coefficient"] == 1.5


def test_rows_without_a_modality_are_not_compared():
    x, y = networks.data(rows=16, modalities=NAMES)
    present = np.arange(16) % 2 == 0
    kept = {k: v[present] for k, v in x.items()}
    coefficients = []
    for inputs, labels in (
        ({**x, "text_present": present}, y),
        (kept, y[present]),
    ):
        model = networks.model(
            table.Row("arl"),
            modalities=NAMES,
            normalize=False,
            eager=True,
            warmup_epochs=0,
        )
        logs = model.train_on_batch(inputs, labels, return_dict=True)
        coefficients.append(float(logs["audio_coefficient"]))
    assert coefficients[0] == pytest.approx(coefficients[1], rel=1e-5)
    # Nothing to compare: as in the first epochs.
    model = make(warmup_epochs=0)
    x["text_present"] = np.zeros(16, bool)
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["audio_coefficient"] == 1.5


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"temperature": -1.0}, "temperature must be a finite number"),
        ({"gamma": float("nan")}, "gamma must be a finite number"),
        ({"warmup_epochs": 0.5}, "warmup_epochs must be an integer"),
        ({"fusion": "gated"}, "ARL compares unimodal logits"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
