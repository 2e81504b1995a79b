"""AGM: published numbers, training steps in plain torch, edge cases."""

import itertools

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

import keras_balance as kb
from keras_balance.methods import agm

EAGER = {"run_eagerly": True}
BOTH = np.array([[2, 0.5, -1], [0.5, 1.5, 0.2]], "float32")
AUDIO = np.array([[1.8, 0.1, -0.5], [0.3, 0.9, 0.1]], "float32")
VISUAL = np.array([[0.4, 0.3, -0.2], [0.1, 0.7, 0.4]], "float32")


def numpy(value):
    return ops.convert_to_numpy(value)


def strengths(values):
    return numpy(agm.strengths(ops.convert_to_tensor(values)))


def coefficients(losses, running, *arguments):
    return numpy(
        agm.agm_coefficients(
            ops.convert_to_tensor(np.array(losses, "float32")),
            ops.convert_to_tensor(np.array(running, "float32")),
            *arguments,
        )
    )


def test_responses_and_scores_of_two_modalities():
    coalitions = {
        frozenset((0, 1)): BOTH,
        frozenset((0,)): AUDIO,
        frozenset((1,)): VISUAL,
    }
    audio, visual = agm.shapley_responses(coalitions, 2)
    np.testing.assert_allclose(
        audio, [[1.7, 0.15, -0.65], [0.35, 0.85, -0.05]], atol=1e-6
    )
    np.testing.assert_allclose(
        visual, [[0.3, 0.35, -0.35], [0.15, 0.65, 0.25]], atol=1e-6
    )
    y = ops.convert_to_tensor(np.array([0, 1], "int32"))
    losses = np.array(
        [
            numpy(agm._cross_entropy(ops.convert_to_tensor(phi), y)).mean()
            for phi in (audio, visual)
        ]
    )
    np.testing.assert_allclose(losses, [0.483941, 0.883994], atol=1e-6)
    np.testing.assert_allclose(
        strengths(losses), [1.491904, 0.670284], atol=1e-5
    )


@pytest.mark.parametrize(
    "alpha,expected",
    [
        (1.0, (0.611461, 1.390573)),
        (1.5, (0.478138, 1.639799)),
        (2.5, (0.292363, 2.280259)),
    ],
)
def test_coefficients_of_the_first_step(alpha, expected):
    found = coefficients((0.483941, 0.883994), (0, 0), alpha)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_steady_modality_is_left_alone_and_the_limit_holds():
    losses = np.array([0.4, 0.9], "float32")
    assert coefficients(losses, losses, 1.5).tolist() == [1, 1]
    assert coefficients(losses, (5, 0.1), 0.0).tolist() == [1, 1]
    # tau = e^4.9 for the second; without a limit the exponent is cut at 20.
    found = coefficients((0.4, 0.4), (5, 0.1), 1.5, 0.5)
    np.testing.assert_allclose(found[1], np.exp(1.5 * 0.5), rtol=1e-5)
    assert coefficients((0, 0), (500, 0), 3.0)[1] == pytest.approx(np.exp(20))


def test_strengths_of_three_modalities_and_of_their_permutations():
    losses = np.array([0.9, 1.2, 1.5], "float32")
    np.testing.assert_allclose(
        strengths(losses), [1.568312, 1, 0.637628], atol=1e-5
    )
    running = np.array([0.3, 0.8, 1.1], "float32")
    found = coefficients(losses, running, 1.5)
    for order in itertools.permutations(range(3)):
        order = list(order)
        np.testing.assert_allclose(
            coefficients(losses[order], running[order], 1.5),
            found[order],
            rtol=1e-6,
        )


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_responses_add_up_to_the_logits(count):
    random = np.random.default_rng(0)
    coalitions = {
        frozenset(chosen): random.normal(size=(4, 3))
        for size in range(1, count + 1)
        for chosen in itertools.combinations(range(count), size)
    }
    total = sum(agm.shapley_responses(coalitions, count))
    np.testing.assert_allclose(
        total, coalitions[frozenset(range(count))], atol=1e-12
    )


def model(modalities=("audio", "text"), **arguments):
    return networks.model(
        table.Row("agm"),
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments=EAGER,
        **arguments,
    )


class Expected:
    """The steps of two modalities, a and v, as the paper writes them."""

    def __init__(self, network, alpha, limit, clip):
        self.network = network
        self.alpha, self.limit, self.clip = alpha, limit, clip
        self.running, self.count = np.zeros(2), 0
        self.last = np.ones(2)

    def coefficients(self, losses):
        r = np.exp([losses[1] - losses[0], losses[0] - losses[1]])
        s = self.running
        tau = np.exp([s[1] - s[0], s[0] - s[1]])
        return np.exp(self.alpha * np.minimum(tau - r, self.limit))

    def step(self, x, y, outside=None):
        network = self.network
        labels = plain_torch.tensor(y)
        both = network.fuse(network.features(x))
        # Statistics are those after the training pass.
        given = network.features(x, training=False)
        nothing = network.features(
            {k: np.zeros_like(v) for k, v in x.items()}, training=False
        )
        a, v = network.names
        only_a = network.fuse({a: given[a], v: nothing[v]})
        only_v = network.fuse({a: nothing[a], v: given[v]})
        phi = [(both - only_v + only_a) / 2, (both - only_a + only_v) / 2]
        losses = np.array(
            [torch.nn.functional.cross_entropy(p, labels).item() for p in phi]
        )
        k = self.coefficients(losses) if outside is None else outside
        # CE(f) depends on the responses through their sum alone.
        leaf = both.detach().requires_grad_()
        torch.nn.functional.cross_entropy(leaf, labels).backward()
        network.backward(sum(k[i] * (phi[i] * leaf.grad).sum() for i in (0, 1)))
        clipped = self.clip_gradients()
        network.descend()
        self.count += 1
        self.running += (losses - self.running) / self.count
        self.last = k
        return k, clipped

    def clip_gradients(self):
        network = self.network
        kernel = network[network.model.fusion.head.kernel]
        if not self.clip or kernel.grad.abs().max() <= self.clip:
            return False
        grads = [value.grad for _, value in network.parameters]
        norm = torch.sqrt(sum((g**2).sum() for g in grads))
        for g in grads:
            g.mul_(min(1.0, self.clip / (float(norm) + 1e-6)))
        return True


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_training_is_that_of_the_equations(variant):
    # So small a limit that the code's variant clips some steps.
    clip = 0.35 if variant == "code" else None
    network_model = model(
        alpha=2.0, limit=0.4, clip=clip, window=(0, 1), variant=variant
    )
    x, y = networks.data(rows=64, modalities=("audio", "text"), seed=3)
    network = plain_torch.Network(network_model)
    expected = Expected(network, 2.0, 0.4, clip)
    history = network_model.fit(
        x, y, batch_size=16, epochs=3, shuffle=False, verbose=0
    ).history
    seen, clipped = [], []
    for epoch in range(3):
        outside = None
        if epoch == 2:
            outside = expected.last if variant == "code" else np.ones(2)
        for part, labels in plain_torch.batches(x, y, 16):
            k, cut = expected.step(part, labels, outside)
            seen.append(k)
            clipped.append(cut)
    assert np.ptp(seen) > 0.3
    assert variant == "paper" or len(set(clipped)) == 2
    network.assert_same()
    for i, name in enumerate(network.names):
        np.testing.assert_allclose(
            history[f"{name}_coefficient"],
            np.reshape([k[i] for k in seen], (3, 4)).mean(1),
            atol=1e-5,
        )
    np.testing.assert_allclose(
        numpy(network_model.running), expected.running, atol=1e-5
    )
    assert float(numpy(network_model.steps)) == 12


def test_any_fusion_has_responses():
    network = model(fusion="film")
    x, y = networks.data(rows=32, modalities=("audio", "text"))
    history = network.fit(
        x, y, validation_data=(x, y), batch_size=16, epochs=8, verbose=0
    ).history
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    assert history["val_audio_accuracy"][-1] > 0.4
    outputs = network.forward_pass(x)
    total = sum(numpy(u) for u in outputs.unimodal.values())
    np.testing.assert_allclose(total, numpy(outputs.logits), atol=1e-5)
    assert numpy(network(x)).tolist() == numpy(outputs.logits).tolist()


def test_batches_without_a_modality_leave_the_state_alone():
    network = model()
    x, y = networks.data(rows=16, modalities=("audio", "text"))
    x["audio_present"] = np.zeros(16, "bool")
    logs = network.train_on_batch(x, y, return_dict=True)
    assert np.isfinite(logs["loss"])
    assert numpy(network.running).tolist() == [0, 0]
    assert float(numpy(network.steps)) == 0
    assert logs["audio_coefficient"] == logs["text_coefficient"] == 1


def test_absent_rows_are_left_out_of_the_scores():
    x, y = networks.data(rows=16, modalities=("audio", "text"))
    there = np.arange(16) < 12
    alone = {name: value[there] for name, value in x.items()}
    states = []
    # BatchNormalization would see rows that only fill the batch.
    for inputs, labels in (
        ({**x, "audio_present": there}, y),
        (alone, y[there]),
    ):
        network = model(normalize=False)
        network.train_on_batch(inputs, labels)
        states.append(numpy(network.running))
    assert (states[1] > 0).all()
    np.testing.assert_allclose(*states, rtol=1e-5)


def test_one_row_and_one_modality():
    network = model()
    x, y = networks.data(rows=16, modalities=("audio", "text"))
    one = {k: v[:1] for k, v in x.items()}
    logs = network.train_on_batch(one, y[:1], return_dict=True)
    assert all(np.isfinite(v) for v in logs.values())
    alone = model(modalities=("text",))
    text, labels = networks.data(rows=16, modalities=("text",))
    logs = alone.train_on_batch(text, labels, return_dict=True)
    assert logs["text_coefficient"] == 1


def test_dropout_in_the_fusion_is_off_in_masked_passes():
    class Noisy(kb.fusions.Concat):
        calls = []

        def build(self, shapes):
            super().build(shapes)
            self.dropout = keras.layers.Dropout(0.5, seed=1)

        def call(self, features, training=False):
            self.calls.append(bool(training))
            return super().call(
                [self.dropout(z, training=training) for z in features]
            )

    network = model(fusion=Noisy())
    x, y = networks.data(rows=16, modalities=("audio", "text"))
    network.train_on_batch(x, y)
    Noisy.calls.clear()
    network.train_on_batch(x, y)
    assert Noisy.calls == [True, False, False]


@pytest.mark.parametrize(
    "arguments",
    [
        {"alpha": -1.0},
        {"limit": 0.0},
        {"clip": -1.0},
        {"window": (3, 1)},
        {"variant": "both"},
        {"heads": True},
    ],
)
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}="):
        model(**arguments)
