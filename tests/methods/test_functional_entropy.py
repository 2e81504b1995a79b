"""Functional entropy: published numbers, and steps in plain torch."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

import keras_balance as kb
from keras_balance.methods import functional_entropy as fe

EAGER = {"run_eagerly": True}
NAMES = ("audio", "text")
ROWS = 16
COPIES = 2


def numpy(value):
    return ops.convert_to_numpy(value)


def tensor(value):
    return ops.convert_to_tensor(np.array(value, "float32"))


def test_information_and_penalties_of_the_fact_sheet():
    # Logits (z, 0) of z = 2 x_a + 0.5 x_v at (0.3, -0.2) and (0.4, -0.3).
    clean, perturbed = tensor([[0.5, 0.0]]), tensor([[0.65, 0.0]])
    h = fe.soft_cross_entropy(clean, perturbed)
    np.testing.assert_allclose(numpy(h), [0.665457], atol=1e-6)
    difference = 0.657010463 - 0.622459331
    found = []
    for slope in (2.0, 0.5):
        total, weight = fe.information(
            tensor([[slope * difference]]), h, tensor([1.0])
        )
        found.append(float(numpy(total / weight)))
    np.testing.assert_allclose(found, [0.007176, 0.000448482], rtol=1e-4)
    both = ops.convert_to_tensor(np.array([True, True]))
    exact = tensor([0.0071757, 0.00044848])
    total = fe.entropy_penalty(exact, both, 0.0)
    np.testing.assert_allclose(numpy(total), 2369.1046, rtol=1e-4)
    norm = fe.entropy_penalty(exact, both, 0.0, "code")
    np.testing.assert_allclose(numpy(norm), 2234.0962, rtol=1e-4)
    one = ops.convert_to_tensor(np.array([True, False]))
    for variant in ("paper", "code"):
        alone = fe.entropy_penalty(exact, one, 0.0, variant)
        np.testing.assert_allclose(numpy(alone), 1 / 0.0071757, rtol=1e-4)


def test_binary_cross_entropy_is_that_of_logits():
    random = np.random.default_rng(0)
    clean, perturbed = random.normal(size=(2, 4, 3))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(perturbed),
        torch.softmax(torch.tensor(clean), 1),
        reduction="none",
    ).mean(1)
    found = fe.binary_cross_entropy(tensor(clean), tensor(perturbed))
    np.testing.assert_allclose(numpy(found), expected, rtol=1e-5)


def test_the_code_sums_squares_over_the_first_axis_alone():
    gradient = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    h, rows = tensor(0.5), tensor([1.0, 3.0])
    squares = gradient**2
    for variant, by_row in (
        ("paper", squares.sum((1, 2, 3))),
        ("code", squares.sum(1).mean((1, 2))),
    ):
        total, weight = fe.information(tensor(gradient), h, rows, variant)
        expected = (by_row * [1, 3]).sum() / 0.5
        np.testing.assert_allclose(numpy(total), expected, rtol=1e-5)
        assert float(numpy(weight)) == 4


def test_std_is_of_the_rows_that_count():
    x = np.random.default_rng(0).normal(size=(6, 3, 2)).astype("float32")
    rows = np.array([1, 0, 1, 1, 0, 1], "float32")
    x[1] = np.nan
    found = numpy(fe.feature_std(ops.convert_to_tensor(x), tensor(rows)))
    expected = x[rows > 0].std(0, ddof=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    one = fe.feature_std(ops.convert_to_tensor(x), tensor([1, 0, 0, 0, 0, 0]))
    assert not numpy(one).any()


def fixed_normal(shape, **_):
    """The same draw whenever a shape is asked for."""
    draw = np.random.default_rng(shape[-1]).normal(size=shape)
    return ops.convert_to_tensor(draw.astype("float32"))


def model(modalities=NAMES, **arguments):
    return networks.model(
        table.Row("functional-entropy"),
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments=EAGER,
        **{"samples": COPIES, "seed": 1, **arguments},
    )


def expected_step(network, x, y, variant, weight, epsilon):
    """The equations; returns the informations."""
    clean = network.fuse(network.features(x))
    loss = plain_torch.cross_entropy(clean, y)
    perturbed = {}
    for name in network.names:
        copies = np.repeat(x[name], COPIES, axis=0).astype("float64")
        source = copies if variant == "code" else x[name].astype("float64")
        noise = np.random.default_rng(copies.shape[-1]).normal(
            size=copies.shape
        )
        std = source.std(0, ddof=1)
        perturbed[name] = torch.tensor(copies + std * noise).requires_grad_()
    logits = network.fuse(
        {n: network.encode(n, perturbed[n], training=False) for n in perturbed}
    )
    q = torch.softmax(clean.repeat_interleave(COPIES, 0), 1)
    if variant == "paper":
        h = -(q * torch.log_softmax(logits, 1)).sum(1)
        scalar = h.sum()
    else:
        scalar = torch.nn.functional.binary_cross_entropy_with_logits(logits, q)
        h = scalar
    gradients = torch.autograd.grad(
        scalar, list(perturbed.values()), create_graph=True
    )
    found = [((g**2).sum(1) / h).mean() for g in gradients]
    inverse = torch.stack([1 / (i + epsilon) for i in found])
    penalty = inverse.sum() if variant == "paper" else inverse.norm()
    network.backward(loss + weight * penalty)
    network.descend()
    return [float(i.detach()) for i in found]


@pytest.mark.parametrize(
    "variant,weight,epsilon",
    [("paper", 3e-3, 1e-3), ("code", 3e-7, 1e-9)],
)
def test_training_is_that_of_the_equations(
    variant, weight, epsilon, monkeypatch
):
    monkeypatch.setattr(keras.random, "normal", fixed_normal)
    network_model = model(variant=variant, weight=weight, epsilon=epsilon)
    x, y = networks.data(rows=64, modalities=NAMES, seed=3)
    network = plain_torch.Network(network_model)
    joint = networks.model(
        table.Row("joint"), modalities=NAMES, optimizer=plain_torch.optimizer()
    )
    arguments = {"batch_size": ROWS, "shuffle": False, "verbose": 0}
    history = network_model.fit(x, y, **arguments).history
    joint.fit(x, y, **arguments)
    seen = [
        expected_step(network, part, labels, variant, weight, epsilon)
        for part, labels in plain_torch.batches(x, y, ROWS)
    ]
    network.assert_same()
    for i, name in enumerate(NAMES):
        np.testing.assert_allclose(
            history[f"{name}_information"][0],
            np.mean([s[i] for s in seen]),
            rtol=1e-3,
        )
    moved = [
        np.abs(numpy(a) - numpy(b)).max()
        for a, b in zip(
            network_model.trainable_variables,
            joint.trainable_variables,
            strict=True,
        )
    ]
    assert max(moved) > 1e-3


def train(network, x, y, **more):
    logs = network.train_on_batch({**x, **more}, y, return_dict=True)
    assert all(np.isfinite(v) for v in logs.values()), logs
    assert all(np.isfinite(numpy(v)).all() for v in network.weights)
    return logs


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_edge_cases_are_finite(variant):
    x, y = networks.data(rows=8, modalities=NAMES)
    # Nothing varies over a batch of one, and one row of a modality.
    one = {k: v[:1] for k, v in x.items()}
    logs = train(model(variant=variant), one, y[:1])
    assert logs["audio_information"] == 0
    none = np.zeros(8, "bool")
    logs = train(model(variant=variant), x, y, audio_present=none)
    assert logs["audio_information"] == 0 < logs["text_information"]
    single = none.copy()
    single[3] = True
    logs = train(model(variant=variant), x, y, audio_present=single)
    assert logs["audio_information"] == 0 < logs["text_information"]
    constant = {**x, "text": np.ones_like(x["text"])}
    train(model(variant=variant), constant, y)
    # A modality that no prediction depends on.
    network = model(variant=variant)
    for v in network.encoders["audio"].trainable_variables:
        v.assign(0 * v)
    train(network, x, y)
    alone, labels = networks.data(rows=8, modalities=("text",))
    train(model(modalities=("text",), variant=variant), alone, labels)


def test_a_batch_of_one_row_is_joint_training():
    x, y = networks.data(rows=1, modalities=NAMES)
    network = model(normalize=False)
    joint = networks.model(
        table.Row("joint"),
        modalities=NAMES,
        optimizer=plain_torch.optimizer(),
        normalize=False,
    )
    for one in (network, joint):
        one.train_on_batch(x, y)
    for a, b in zip(
        network.trainable_variables, joint.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(numpy(a), numpy(b), atol=1e-6)


def test_noise_is_added_after_preprocessing(monkeypatch):
    class Shifted(keras.layers.Layer):
        def call(self, x):
            return 1000 + 2 * x

    inputs = keras.Input((4,))
    network = kb.methods.create(
        "functional-entropy",
        encoders={"text": keras.Model(inputs, keras.layers.Dense(5)(inputs))},
        num_classes=3,
        preprocessing={"text": Shifted()},
        samples=1,
    )
    network.compile(keras.optimizers.SGD(1e-6), run_eagerly=True)
    x, y = networks.data(rows=64, modalities=("text",))
    drawn = []

    def draw(like):
        drawn.append(numpy(like))
        return ops.zeros_like(like)

    monkeypatch.setattr(network, "draw", draw)
    logs = network.train_on_batch(x, y, return_dict=True)
    np.testing.assert_allclose(drawn[-1], 1000 + 2 * x["text"], rtol=1e-6)
    assert np.isfinite(logs["loss"])


def test_token_ids_are_refused():
    inputs = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(10, 3)(inputs)
    encoder = keras.Model(inputs, keras.layers.Flatten()(x))
    network = kb.methods.create(
        "functional-entropy", encoders={"text": encoder}, num_classes=3
    )
    network.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    ids = np.ones((8, 4), "int32")
    with pytest.raises(ValueError, match="'text' of type"):
        network.fit({"text": ids}, np.zeros(8, "int32"), verbose=0)


@pytest.mark.parametrize(
    "arguments",
    [{"weight": -1.0}, {"samples": 0}, {"epsilon": 0.0}, {"variant": "x"}],
)
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}="):
        model(**arguments)
