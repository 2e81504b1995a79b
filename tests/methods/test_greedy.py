"""Greedy: published numbers, training steps in plain torch, stages."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import layers
from keras import ops

import keras_balance as kb
from keras_balance.encoders import Staged
from keras_balance.fusions.mmtm import MMTM
from keras_balance.methods import greedy

EAGER = {"run_eagerly": True}
NAMES = ("audio", "text")
THREE = ("audio", "visual", "text")


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def tensor(value):
    return ops.convert_to_tensor(np.array(value, "float32"))


def test_speeds_of_the_fact_sheet():
    def speed(moved, size):
        found = greedy.learning_speed(
            [tensor([moved**0.5])], [tensor([size**0.5])]
        )
        return numpy(found)

    bypass = [speed(0.04, 4), speed(0.01, 4)]
    main = [speed(0.09, 9), speed(0.16, 16)]
    np.testing.assert_allclose(bypass, [0.01, 0.0025], rtol=1e-5)
    np.testing.assert_allclose(main, [0.01, 0.01], rtol=1e-5)
    s, d, focus = greedy.speed_difference(tensor(bypass), tensor(main))
    np.testing.assert_allclose(numpy(s), [0, -0.602060], atol=1e-5)
    np.testing.assert_allclose(numpy(d), 0.602060, atol=1e-5)
    assert int(numpy(focus)) == 0


def test_speeds_are_sums_over_a_group_and_finite():
    g = [tensor([3.0]), tensor([[4.0]])]
    w = [tensor([1.0]), tensor([[2.0]])]
    assert float(numpy(greedy.learning_speed(g, w))) == pytest.approx(5)
    assert float(numpy(greedy.learning_speed(g, [0 * v for v in w]))) == 0
    assert float(numpy(greedy.learning_speed([], []))) == 0
    s, d, _ = greedy.speed_difference(tensor([0, 0, 0]), tensor([0, 0, 0]))
    assert numpy(s).tolist() == [0, 0, 0] and float(numpy(d)) == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_largest_of_three_is_rebalanced(order):
    order = list(order)
    bypass, main = np.array([1.0, 5.0, 2.0]), np.array([1.0, 1.0, 4.0])
    _, d, focus = greedy.speed_difference(
        tensor(bypass[order]), tensor(main[order])
    )
    assert order[int(numpy(focus))] == 1
    np.testing.assert_allclose(numpy(d), np.log10(10), rtol=1e-5)


def model(modalities=NAMES, **arguments):
    return networks.model(
        table.Row("greedy"),
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments=EAGER,
        **{"warmup": 1, "steps": 3, "epsilon": 1e-4, **arguments},
    )


class Expected:
    """Modalities joined on their features, as the paper writes it."""

    def __init__(self, network, variant, epsilon=1e-4, steps=3, warmup=1):
        self.network, self.variant = network, variant
        self.epsilon, self.steps, self.warmup = epsilon, steps, warmup
        count = len(network.names)
        self.means = count * [0.0]
        self.past, self.left, self.focus = 0, 0, None
        self.main, self.bypass = np.zeros(count), np.zeros(count)

    def groups(self, m):
        model = self.network.model
        (unit,) = model.units
        name = self.network.names[m]
        main = [*model.encoders[name].trainable_variables]
        main += model.fusion.heads[m].trainable_variables
        shared = [unit.squeeze.kernel, unit.squeeze.bias]
        return main, [*shared, unit.excite[m].kernel, unit.excite[m].bias]

    def speed(self, group):
        tensors = [self.network[v] for v in group]
        moved = sum(float((v.grad**2).sum()) for v in tensors)
        return moved / sum(float((v.detach() ** 2).sum()) for v in tensors)

    def step(self, x, y, epoch):
        network = self.network
        (unit,) = network.model.units
        z = list(network.features(x).values())
        squeezed = torch.relu(network.dense(unit.squeeze, torch.cat(z, 1)))
        gates = [torch.sigmoid(network.dense(e, squeezed)) for e in unit.excite]
        rebalancing = self.left > 0
        used = list(gates)
        if rebalancing:
            mean = self.means[self.focus]
            used[self.focus] = mean.expand_as(gates[self.focus])
        loss = 0
        for m, head in enumerate(network.model.fusion.heads):
            u = network.dense(head, used[m] * z[m])
            loss = loss + plain_torch.cross_entropy(u, y)
        network.backward(loss)
        for m in range(len(gates)):
            source = 0 if self.variant == "code" and m == 1 else m
            new = gates[source].detach().mean(0)
            total = self.past * self.means[m] + new
            self.means[m] = total / (self.past + 1)
        self.past += 1
        focus = self.focus if rebalancing else None
        if rebalancing:
            self.left -= 1
        else:
            for m in range(len(gates)):
                main, bypass = self.groups(m)
                self.main[m] += self.speed(main)
                self.bypass[m] += self.speed(bypass)
            s = np.log10(self.bypass / self.main)
            if epoch >= self.warmup and max(s) - min(s) > self.epsilon:
                self.left = self.steps
                self.focus = int(np.argmax(s))
        network.descend()
        return focus


@pytest.mark.parametrize("variant", ["paper", "code"])
@pytest.mark.parametrize("names", [NAMES, THREE], ids=len)
def test_training_is_that_of_the_equations(names, variant):
    network_model = model(names, variant=variant)
    x, y = networks.data(rows=64, modalities=names, seed=3)
    network = plain_torch.Network(network_model)
    history = network_model.fit(
        x, y, batch_size=16, epochs=4, shuffle=False, verbose=0
    ).history
    expected = Expected(network, variant)
    seen = [
        expected.step(part, labels, epoch)
        for epoch in range(4)
        for part, labels in plain_torch.batches(x, y, 16)
    ]
    assert seen[:5] == [None] * 5
    # Runs of three steps, with one normal step between them.
    assert [f is None for f in seen[5:13]] == 2 * [False, False, False, True]
    network.assert_same()
    for m, name in enumerate(names):
        shares = np.reshape([f == m for f in seen], (4, 4)).mean(1)
        np.testing.assert_allclose(history[f"{name}_rebalanced"], shares)
        np.testing.assert_allclose(
            numpy(network_model.gates[0][m]), expected.means[m], atol=1e-5
        )
    for state, value in (
        (network_model.main, expected.main),
        (network_model.bypass, expected.bypass),
    ):
        np.testing.assert_allclose(numpy(state), value, rtol=1e-3)


def test_rebalancing_lasts_its_steps_and_adds_nothing():
    network = model(warmup=0, steps=5, epsilon=0.0)
    x, y = networks.data(rows=16, modalities=NAMES)
    lengths = []
    for _ in range(8):
        before = numpy(network.main)
        network.train_on_batch(x, y)
        same = np.array_equal(before, numpy(network.main))
        lengths.append((int(numpy(network.left)), same))
    assert lengths == [
        (5, False),
        (4, True),
        (3, True),
        (2, True),
        (1, True),
        (0, True),
        (5, False),
        (4, True),
    ]


def test_prediction_is_the_mean_of_the_branches():
    network = model()
    x, _ = networks.data(rows=8, modalities=NAMES)
    outputs = network.forward_pass(x)
    mean = np.mean([numpy(u) for u in outputs.unimodal.values()], axis=0)
    np.testing.assert_allclose(numpy(outputs.logits), mean, atol=1e-6)
    np.testing.assert_allclose(network.predict(x, verbose=0), mean, atol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_mmtm_is_its_equation(data_format):
    random = np.random.default_rng(0)
    unit = MMTM(ratio=2, data_format=data_format)
    maps = [
        random.normal(size=shape).astype("float32")
        for shape in ((2, 3, 4, 5), (2, 6))
    ]
    first = data_format == "channels_first"
    unit.build([m.shape for m in maps])
    assert unit.channels == [3 if first else 5, 6]
    gates = [numpy(g) for g in unit([ops.convert_to_tensor(m) for m in maps])]
    pooled = maps[0].mean((2, 3) if first else (1, 2))
    joined = np.concatenate([pooled, maps[1]], 1)
    hidden = joined @ numpy(unit.squeeze.kernel) + numpy(unit.squeeze.bias)
    assert hidden.shape[1] == joined.shape[1]
    hidden = np.maximum(hidden, 0)
    for gate, layer in zip(gates, unit.excite, strict=True):
        z = hidden @ numpy(layer.kernel) + numpy(layer.bias)
        np.testing.assert_allclose(gate, 1 / (1 + np.exp(-z)), atol=1e-6)
    scaled = numpy(
        unit.scaled(ops.convert_to_tensor(maps[0]), tensor(gates[0]))
    )
    shape = (2, 3, 1, 1) if first else (2, 1, 1, 5)
    np.testing.assert_allclose(
        scaled, maps[0] * gates[0].reshape(shape), atol=1e-6
    )


def staged(filters, stages=2):
    """An encoder of images in stages, and one that pools."""
    first = [
        keras.Sequential(
            [
                layers.Conv2D(
                    filters, 3, padding="same", data_format="channels_last"
                ),
                layers.BatchNormalization(),
                layers.ReLU(),
            ]
        )
        for _ in range(stages)
    ]
    last = keras.Sequential(
        [
            layers.GlobalAveragePooling2D(data_format="channels_last"),
            layers.Dense(5),
        ]
    )
    return Staged([*first, last])


def two_views(**arguments):
    network = kb.methods.create(
        "greedy",
        encoders={"front": staged(4), "back": staged(6, stages=3)},
        num_classes=3,
        warmup=0,
        data_format="channels_last",
        **arguments,
    )
    network.compile(keras.optimizers.SGD(0.05), metrics=["accuracy"])
    return network


def test_units_follow_the_stages_that_all_encoders_have(tmp_path):
    network = two_views(joined=(0, 1))
    x, y = networks.data(rows=32, modalities=("visual",))
    views = {"front": x["visual"], "back": -x["visual"]}
    fit = {"batch_size": 16, "shuffle": False, "verbose": 0}
    history = network.fit(views, y, epochs=3, **fit).history
    assert np.isfinite(history["loss"]).all()
    assert [unit.channels for unit in network.units] == [[4, 6], [4, 6]]
    assert max(history["front_rebalanced"] + history["back_rebalanced"]) > 0
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    network.fit(views, y, epochs=4, initial_epoch=3, **fit)
    loaded.fit(views, y, epochs=4, initial_epoch=3, **fit)
    assert (
        networks.difference(networks.weights(network), networks.weights(loaded))
        == 0
    )


def test_staged_is_the_composition_of_its_stages():
    encoder = staged(4)
    x = tensor(np.random.default_rng(0).normal(size=(2, 6, 6, 1)))
    one = encoder(x)
    for stage in encoder.stages:
        x = stage(x)
    np.testing.assert_allclose(numpy(one), numpy(x), atol=1e-6)
    assert encoder.compute_output_shape((None, 6, 6, 1)) == (None, 5)
    assert [s[-1] for s in encoder.stage_shapes] == [4, 4, 5]
    with pytest.raises(ValueError, match="stages=3"):
        Staged(3)
    with pytest.raises(ValueError, match=r"stages=\[\]"):
        Staged([])


def test_absent_rows_one_row_and_one_modality():
    x, y = networks.data(rows=16, modalities=NAMES)
    network = model()
    absent = np.zeros(16, "bool")
    before = numpy(network.gates[0][0])
    logs = network.train_on_batch(
        {**x, "audio_present": absent}, y, return_dict=True
    )
    assert all(np.isfinite(v) for v in logs.values())
    assert np.array_equal(before, numpy(network.gates[0][0]))
    assert numpy(network.past).tolist() == [0, 1]
    one = {k: v[:1] for k, v in x.items()}
    logs = network.train_on_batch(one, y[:1], return_dict=True)
    assert all(np.isfinite(v) for v in logs.values())
    alone, labels = networks.data(rows=16, modalities=("text",))
    network = model(modalities=("text",), warmup=0, epsilon=0.0)
    for _ in range(3):
        logs = network.train_on_batch(alone, labels, return_dict=True)
        assert logs["text_rebalanced"] == 0


@pytest.mark.parametrize(
    "draw,focus",
    [(0.0, -1), (0.3, -1), (0.4, 0), (0.6, 0), (0.7, 1), (0.99, 1)],
)
def test_the_random_schedule_draws_one_of_all(draw, focus, monkeypatch):
    monkeypatch.setattr(
        keras.random, "uniform", lambda shape, **_: tensor([draw])
    )
    network = model(schedule="random", seed=1)
    assert int(numpy(network.focus_of_step())) == -1
    network.epoch.assign(1)
    assert int(numpy(network.focus_of_step())) == focus


def test_the_code_needs_equal_widths():
    with pytest.raises(ValueError, match=r"Received: \[4, 6\] channels"):
        two_views(variant="code").build(
            {"front": (None, 6, 6, 1), "back": (None, 6, 6, 1)}
        )


@pytest.mark.parametrize(
    "arguments",
    [
        {"epsilon": -1.0},
        {"steps": 0},
        {"warmup": -1},
        {"ratio": 0},
        {"joined": (1,)},
        {"joined": ()},
        {"schedule": "often"},
        {"variant": "x"},
        {"fusion": "concat"},
        {"heads": True},
    ],
)
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}="):
        model(**arguments)
