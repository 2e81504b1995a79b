"""Gradient-Blending: published numbers, a whole run in plain torch, saving."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from keras import ops

from keras_balance.methods import gradient_blending as gb

EAGER = {"run_eagerly": True}
NAMES = ("audio", "text")
START = np.array([[1.8, 1.8, 1.8], [1.9, 1.9, 1.9]])
END = np.array([[1.0, 0.6, 0.4], [1.5, 1.6, 1.45]])


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def test_weights_of_the_fact_sheet():
    np.testing.assert_allclose(
        gb.blend_weights(START, END), [0.742063, 0.109935, 0.148002], atol=1e-6
    )


def test_branches_that_gain_nothing():
    nothing = END.copy()
    nothing[1] = 2.0
    np.testing.assert_allclose(gb.blend_weights(START, nothing), 1 / 3)
    np.testing.assert_allclose(gb.blend_weights(START, START), 1 / 3)
    one = END.copy()
    one[1, 0] = 2.0
    weights = gb.blend_weights(START, one)
    assert 0 < weights[0] < 1e-4
    # One that did not move at all does not outweigh one that gained.
    still = END.copy()
    still[:, 0] = START[:, 0]
    assert gb.blend_weights(START, still)[0] < 0.02
    broken = END.copy()
    broken[0, 0] = np.nan
    np.testing.assert_allclose(gb.blend_weights(START, broken), 1 / 3)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0.1, 3), min_size=12, max_size=12),
    st.floats(-1, 1),
    st.permutations(range(3)),
)
def test_weights_are_shares_and_follow_their_branches(values, shift, order):
    start, end = np.reshape(values, (2, 2, 3))
    weights = gb.blend_weights(start, end)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    if np.abs(start[1] - end[1]).min() > 1e-3:
        np.testing.assert_allclose(
            gb.blend_weights(start + shift, end + shift), weights, rtol=1e-5
        )
    np.testing.assert_allclose(
        gb.blend_weights(start[:, order], end[:, order]),
        weights[list(order)],
        rtol=1e-6,
    )


def test_stages_of_epochs():
    def stages(mode):
        return [gb.stage_of(epoch, mode, 2, 3) for epoch in range(10)]

    estimation = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert stages("offline") == [
        *estimation,
        (None, 0),
        (None, 1),
        (None, 2),
        (None, 3),
    ]
    assert stages("online") == [
        *estimation,
        (None, 0),
        (None, 1),
        (0, 0),
        (0, 1),
    ]


def model(mode="online", modalities=NAMES, **arguments):
    return networks.model(
        table.Row(f"gblend-{mode}"),
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments=EAGER,
        **{"super_epoch": 1, **arguments},
    )


def fit(network, data, validation, epochs, initial_epoch=0):
    return network.fit(
        *data,
        validation_data=validation,
        batch_size=16,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=0,
    ).history


class Expected:
    """The whole schedule, in plain torch."""

    def __init__(self, network, data, validation):
        self.network, self.data, self.validation = network, data, validation
        self.weights = [1 / 3] * 3
        self.history = []

    def losses(self):
        """`(2, 3)`: training and validation losses of every branch."""
        network, rows = self.network, []
        with torch.no_grad():
            for x, y in (self.data, self.validation):
                z = network.features(x, training=False)
                logits = [*network.heads(z).values(), network.fuse(z)]
                rows.append([plain_torch.cross_entropy(u, y) for u in logits])
        return np.array(rows, "float64")

    def train_epoch(self, branch):
        network = self.network
        model = network.model
        for x, y in plain_torch.batches(*self.data, 16):
            still, heads = set(), model.heads
            if branch in (0, 1):
                name = network.names[branch]
                z = {name: network.encode(name, x[name])}
                u = network.dense(heads[name], z[name])
                loss = plain_torch.cross_entropy(u, y)
                own = [*model.encoders[name].variables, *heads[name].variables]
                every = {id(v) for v, _ in network.parameters}
                still = every - {id(v) for v in own}
            else:
                z = network.features(x)
                loss = plain_torch.cross_entropy(network.fuse(z), y)
                if branch == 2:
                    still = {id(v) for h in heads.values() for v in h.variables}
                else:
                    loss = self.weights[2] * loss
                    for w, u in zip(
                        self.weights, network.heads(z).values(), strict=False
                    ):
                        loss = loss + w * plain_torch.cross_entropy(u, y)
            network.backward(loss)
            network.descend(still=still)

    def cycle(self):
        network = self.network
        start, end = self.losses(), np.zeros((2, 3))
        kept = {k: v.detach().clone() for k, v in network.tensors.items()}
        for branch in (0, 1, 2):
            network.velocities = {}
            self.train_epoch(branch)
            end[:, branch] = self.losses()[:, branch]
            with torch.no_grad():
                for key, value in network.tensors.items():
                    value.copy_(kept[key])
        gain = start[1] - end[1]
        overfitting = (end[1] - end[0]) - (start[1] - start[0])
        ratio = np.maximum(gain, 1e-6) / np.maximum(abs(overfitting), 0.01) ** 2
        self.weights = list(ratio / ratio.sum())
        network.velocities = {}
        self.train_epoch(None)
        self.history.append(self.weights)


def test_two_online_cycles_are_those_of_the_equations():
    network_model = model()
    x, y = networks.data(rows=64, modalities=NAMES, seed=3)
    data = {k: v[:48] for k, v in x.items()}, y[:48]
    validation = {k: v[48:] for k, v in x.items()}, y[48:]
    network = plain_torch.Network(network_model)
    history = fit(network_model, data, validation, epochs=8)
    expected = Expected(network, data, validation)
    for _ in range(2):
        expected.cycle()
    network.assert_same(2e-5)
    assert np.ptp(expected.history[1]) > 0.05
    assert history["phase"] == [1, 2, 3, 0, 1, 2, 3, 0]
    for i, name in enumerate((*NAMES, "joint")):
        found = np.array(history[f"{name}_weight"])[[3, 7]]
        np.testing.assert_allclose(
            found, [w[i] for w in expected.history], atol=1e-3
        )


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_saved_in_the_middle_of_an_estimation(stop, tmp_path):
    x, y = networks.data(rows=32, modalities=NAMES, seed=3)
    straight, stopped = model(super_epoch=2), model(super_epoch=2)
    fit(straight, (x, y), (x, y), epochs=8)
    fit(stopped, (x, y), (x, y), epochs=stop)
    stopped.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True
    fit(loaded, (x, y), (x, y), epochs=8, initial_epoch=stop)
    assert (
        networks.difference(
            networks.weights(straight), networks.weights(loaded)
        )
        == 0
    )


@pytest.mark.parametrize("first", [1, 3])
def test_training_that_starts_later_keeps_its_weights(first):
    x, y = networks.data(rows=16, modalities=NAMES)
    network = networks.model(
        table.Row("gblend-offline"),
        modalities=NAMES,
        optimizer=keras.optimizers.SGD(0.0),
        compile_arguments=EAGER,
        super_epoch=1,
        normalize=False,
    )
    before = [numpy(v) for v in network.trainable_variables]
    history = fit(network, (x, y), (x, y), epochs=6, initial_epoch=first)
    after = [numpy(v) for v in network.trainable_variables]
    assert networks.difference(before, after) == 0
    np.testing.assert_allclose(history["joint_weight"], 1 / 3, rtol=1e-5)


def test_a_branch_moves_its_own_variables_alone():
    network = model()
    x, y = networks.data(rows=16, modalities=NAMES)
    for phase in network.phases:
        network.set_phase(phase)
        before = {v.path: numpy(v) for v in network.weights}
        network.train_on_batch(x, y)
        moved = {
            v.path
            for v in network.weights
            if not np.array_equal(before[v.path], numpy(v))
        }
        heads = {
            name: {v.path for v in head.weights}
            for name, head in network.heads.items()
        }
        encoders = {
            name: {v.path for v in encoder.weights}
            for name, encoder in network.encoders.items()
        }
        fusion = {v.path for v in network.fusion.weights}
        if phase in NAMES:
            assert moved == encoders[phase] | heads[phase]
        elif phase == "joint":
            assert moved == fusion | set.union(*encoders.values())
        else:
            assert moved == {v.path for v in network.weights} & (
                fusion | set.union(*encoders.values(), *heads.values())
            )


def test_an_absent_modality_leaves_its_weight_to_the_others():
    network = model()
    x, y = networks.data(rows=16, modalities=NAMES)
    logs = network.train_on_batch(
        {**x, "audio_present": np.zeros(16, "bool")}, y, return_dict=True
    )
    assert np.isfinite(logs["loss"])
    inputs = {**x, "audio_present": np.zeros(16, "bool")}
    outputs = network.forward_pass(inputs)
    from keras_balance.models import batch as batches

    batch = batches.unpack((inputs, ops.convert_to_tensor(y)), 3)
    np.testing.assert_allclose(
        numpy(network.weights_of_batch(outputs, batch)), [0, 0.5, 0.5]
    )


def test_one_modality_and_regularizers_count_once():
    x, y = networks.data(rows=32, modalities=("text",))
    network = model(modalities=("text",))
    history = fit(network, (x, y), (x, y), epochs=4)
    assert history["phase"] == [1, 2, 0, 1]
    inputs = keras.Input((4,))
    layer = keras.layers.Dense(5, kernel_regularizer="l2")
    for phase in ("train", "joint", "text"):
        encoder = keras.Model(inputs, layer(inputs))
        network = gb.GradientBlending({"text": encoder}, 3)
        network.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
        network.set_phase(phase)
        loss = network.train_on_batch(x, y, return_dict=True)["loss"]
        penalty = 0.01 * (numpy(layer.kernel) ** 2).sum()
        outputs = network.forward_pass(x)
        ce = [
            numpy(ops.stop_gradient(network.loss_object(y, u)))
            for u in (outputs.unimodal["text"], outputs.logits)
        ]
        plain = {"train": np.mean(ce), "joint": ce[1], "text": ce[0]}[phase]
        assert loss == pytest.approx(plain + penalty, abs=1e-5)


def test_validation_data_is_needed():
    network = model()
    x, y = networks.data(rows=16, modalities=NAMES)
    with pytest.raises(ValueError, match="validation_data=None"):
        network.fit(x, y, verbose=0)


@pytest.mark.parametrize(
    "arguments", [{"mode": "always"}, {"super_epoch": 0}, {"super_epoch": 1.5}]
)
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}="):
        networks.model(table.Row("gblend-offline"), **arguments)
