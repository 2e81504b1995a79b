"""ReconBoost: numbers, training steps in plain torch, stages, going on."""

import os
from pathlib import Path

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

import keras_balance as kb
from keras_balance.fusions.shared import Shared
from keras_balance.methods import reconboost
from keras_balance.methods import reconboost_stages as stages

EAGER = {"run_eagerly": True}
NAMES = ("audio", "text")
THREE = ("visual", "text", "audio")
OWN, OTHERS = [1.0, 0.5, -0.5], [0.2, -0.3, 0.8]
Q = np.array([0.546549, 0.331499, 0.121952])
P = np.array([0.291660, 0.176901, 0.531439])


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def make(modalities=NAMES, optimizer=None, **arguments):
    return networks.model(
        table.Row("reconboost", {"stage_epochs": 1, "rectify_epochs": 1}),
        modalities=modalities,
        optimizer=optimizer or plain_torch.optimizer(),
        compile_arguments=EAGER,
        **arguments,
    )


def fit(model, x, y, epochs, weight=None, initial_epoch=0):
    return model.fit(
        x,
        y,
        sample_weight=weight,
        batch_size=16,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=0,
    ).history


# Numbers ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def differentiate():
    """Values and gradients of a function of tensors, by the engine."""
    model = networks.model(table.Row("joint"), compile_arguments=EAGER)

    def run(fn, *arrays):
        inputs = [ops.convert_to_tensor(np.array(a, "float32")) for a in arrays]

        def named(tensors):
            value = fn(*tensors)
            return value, value

        value, gradients = model.input_gradients(named, inputs)
        return float(numpy(value)), [numpy(g) for g in gradients]

    return run


def cross_entropy(logits):
    """Of class 0."""
    return -ops.sum(ops.log_softmax(logits, axis=-1)[:, 0])


@pytest.mark.parametrize(
    "lam, value, gradient",
    [
        (0.25, 0.482134, [-0.517173, 0.292849, 0.224324]),
        (0.5, 0.360137, [-0.580895, 0.254200, 0.326695]),
        (1.0, 0.116144, [-0.708340, 0.176901, 0.531439]),
    ],
)
def test_the_reconciled_loss_of_the_fact_sheet(
    differentiate, lam, value, gradient
):
    def loss(own, others):
        divergence = reconboost.reconcilement(others, own)
        return cross_entropy(own) - lam * ops.sum(divergence)

    found, (own, others) = differentiate(loss, [OWN], [OTHERS])
    assert found == pytest.approx(value, abs=2e-6)
    np.testing.assert_allclose(own[0], gradient, atol=2e-6)
    y = np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(own[0], (Q - y) - lam * (Q - P), atol=2e-6)
    assert not others.any()


def test_lambda_one_is_gradient_boosting(differentiate):
    """The gradient of CE against the pseudo-label y - p, not its value."""
    residual = np.array([0.708340, -0.176901, -0.531439])
    np.testing.assert_allclose(np.array([1.0, 0, 0]) - P, residual, atol=2e-6)

    def pseudo(own):
        log_q = ops.log_softmax(own, axis=-1)
        return -ops.sum(ops.convert_to_tensor(residual, "float32") * log_q)

    value, (gradient,) = differentiate(pseudo, [OWN])
    assert value == pytest.approx(-0.885609, abs=2e-6)
    np.testing.assert_allclose(gradient[0], -residual, atol=2e-6)


def test_divergence_of_the_fact_sheet(differentiate):
    value, _ = differentiate(
        lambda own, others: ops.sum(reconboost.reconcilement(others, own)),
        [OWN],
        [OTHERS],
    )
    assert value == pytest.approx(0.487987, abs=2e-6)


@pytest.mark.parametrize(
    "w1, w2, value, gradient",
    [
        (5.0, 1.0, 0.948151, [-0.711667, 0.520270, 0.191397]),
        (4.0, 1.0, 0.746774, [-0.560516, 0.409770, 0.150746]),
        (1.0, 0.25, 0.186693, [-0.140129, 0.102443, 0.037687]),
    ],
)
def test_the_code_s_loss_of_the_fact_sheet(
    differentiate, w1, w2, value, gradient
):
    def weight(others):
        labels = ops.convert_to_tensor([0], "int32")
        return ops.sum(reconboost.label_weights(others, labels, w1, w2))

    def loss(own, others):
        return weight(others) * cross_entropy(own)

    found, (own, others) = differentiate(loss, [OWN], [OTHERS])
    assert found == pytest.approx(value, abs=2e-6)
    np.testing.assert_allclose(own[0], gradient, atol=2e-6)
    assert not others.any()
    factor, _ = differentiate(weight, [OTHERS])
    assert factor == pytest.approx((w1 - w2 * P[0]) / 3, abs=2e-6)
    if w1 == 5:
        assert factor == pytest.approx(1.569447, abs=2e-6)


def test_the_consolidation_of_the_fact_sheet(differentiate):
    def loss(own, earlier):
        return ops.sum(reconboost.consolidation(own, earlier))

    value, (own, earlier) = differentiate(loss, [OWN], [OTHERS])
    assert value == pytest.approx(0.085516, abs=2e-6)
    expected = [0.041636, 0.003089, -0.044724]
    np.testing.assert_allclose(own[0], expected, atol=2e-6)
    assert not earlier.any()
    # Not of the logits.
    gap = np.array(OWN) - np.array(OTHERS)
    assert (gap**2).mean() == pytest.approx(0.99)
    expected = [0.533333, 0.533333, -0.866667]
    np.testing.assert_allclose(2 * gap / 3, expected, atol=1e-6)


def test_the_rectification_of_the_fact_sheet(differentiate):
    model = make(variant="code")

    def loss(rate, own, others):
        model.boost_rate = rate
        return cross_entropy(model.summed({"audio": own, "text": others}, {}))

    value, gradients = differentiate(loss, 1.0, [OWN], [OTHERS])
    assert value == pytest.approx(0.573490, abs=2e-6)
    for gradient in gradients[1:]:
        expected = [-0.436445, 0.207320, 0.229124]
        np.testing.assert_allclose(gradient[0], expected, atol=2e-6)
    _, (rate, own, others) = differentiate(loss, 1.25, [OWN], [OTHERS])
    assert float(rate) == pytest.approx(-0.359178, abs=2e-6)
    for gradient in (own, others):
        expected = [-0.474160, 0.222282, 0.251878]
        np.testing.assert_allclose(gradient[0], expected, atol=2e-6)


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_predictions_of_the_authors_model(variant):
    """571 of 704, the accuracy in the name of their checkpoint."""
    folder = os.environ.get("KERAS_BALANCE_TEST_DATA")
    path = Path(folder or "") / "cremad_reconboost_logits" / "logits.npz"
    if not folder or not path.is_file():
        pytest.skip(f"needs KERAS_BALANCE_TEST_DATA with {path.parts[-2:]}")
    with np.load(path) as arrays:
        stored = {name: arrays[name] for name in arrays.files}
    encoders = {m: keras.layers.Identity() for m in ("audio", "visual")}
    model = kb.ReconBoost(encoders, 6, variant=variant)
    model.build({m: (None, 6) for m in encoders})
    for layer in model.own_heads(model.modalities):
        for v in layer.weights:
            v.assign(np.eye(6) if len(v.shape) == 2 else np.zeros(6))
    x = {m: stored[m].astype("float32") for m in encoders}
    rate = 1.0
    if variant == "code":
        rate = float(stored["boost_rate"])
        model.boost_rate.assign(rate)
    logits = model.predict(x, verbose=0)
    total = stored["audio"] + stored["visual"]
    np.testing.assert_allclose(logits, rate * total, rtol=1e-4, atol=1e-4)
    assert (logits.argmax(1) == stored["label"]).sum() == 571


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 30.0))
def test_terms_are_bounded(seed, scale):
    random = np.random.default_rng(seed)
    own, others = (
        ops.convert_to_tensor(scale * random.normal(size=(5, 4)), "float32")
        for _ in range(2)
    )
    divergence = numpy(reconboost.reconcilement(others, own))
    assert np.isfinite(divergence).all() and (divergence > -1e-4).all()
    np.testing.assert_allclose(
        numpy(reconboost.reconcilement(own, own)), 0, atol=1e-5
    )
    # Two distributions differ by 2 at most, in the sum of squares.
    memory = numpy(reconboost.consolidation(own, others))
    assert (memory >= 0).all() and (memory <= 0.5 + 1e-6).all()
    labels = ops.convert_to_tensor(random.integers(0, 4, 5), "int32")
    weights = numpy(reconboost.label_weights(others, labels, 5.0, 1.0))
    assert (weights >= 1 - 1e-6).all() and (weights <= 1.25 + 1e-6).all()


# Stages -----------------------------------------------------------------------


def test_the_order_of_the_phases():
    def order(count, stage_epochs, rectify_epochs, epochs):
        names = tuple("abc"[:count])
        plan = stages.plan(names, rectify_epochs)
        found = []
        for epoch in range(epochs):
            stage, rectifies, _ = stages.place(
                epoch, stage_epochs, rectify_epochs
            )
            active, others = plan[stages.phase_at(stage, rectifies, count)]
            found.append("".join(active) + "|" + "".join(others))
        return found

    two = ["a|", "a|", "b|a", "ab|", "a|b", "ab|", "b|a", "ab|"]
    assert order(2, 1, 1, 8) == two
    expected = ["a|", "a|", "a|", "b|a", "b|a", "ab|", "a|b", "a|b", "ab|"]
    assert order(2, 2, 1, 9) == expected
    expected = ["a|", "b|a", "c|ab", "a|bc", "b|ac", "c|ab", "a|bc", "b|ac"]
    assert order(3, 1, 0, 8) == expected
    expected = ["a|", "a|", "b|a", "ab|", "c|ab", "abc|", "a|bc", "abc|"]
    assert order(3, 1, 1, 8) == expected
    assert order(1, 1, 1, 4) == ["a|"] * 4
    begins = [stages.place(epoch, 2, 3)[2] for epoch in range(10)]
    assert begins == [1, 0, 1, 0, 0] * 2


class Expected:
    """The equations once more, with momentum that is forgotten."""

    def __init__(self, model, lam, alpha, w1, code):
        self.network = plain_torch.Network(model)
        self.model = model
        self.lam, self.alpha, self.w1, self.code = lam, alpha, w1, code
        self.names = self.network.names

    def logits(self, name, x, training):
        """u, and 1 in the rows that have the modality."""
        network, i = self.network, self.names.index(name)
        there = x.get(f"{name}_present", np.ones(len(x[name]), bool))
        there = torch.tensor(there.astype("float64"))
        z = network.encode(name, x[name], training) * there[:, None]
        fusion = self.model.fusion
        head = fusion.heads[i] if not self.code else fusion.head
        return network.dense(head, z), there

    def rate(self):
        return self.network[self.model.boost_rate] if self.code else 1.0

    def forget(self):
        self.network.velocities.clear()

    def turn(self, name, others, x, y, weight):
        own, there = self.logits(name, x, True)
        rows = torch.tensor(weight) * there
        rows = rows * (weight.sum() / rows.sum().clamp(min=1e-8))
        label = torch.tensor(y.astype("int64"))[:, None]
        log_q = torch.log_softmax(own, 1)
        cost = -log_q.gather(1, label)[:, 0]
        phi, some, known = torch.zeros_like(own), torch.zeros(len(y)), {}
        with torch.no_grad():
            for other in others:
                known[other] = u, marks = self.logits(other, x, False)
                phi = phi + marks[:, None] * u
                some = torch.maximum(some, marks)
            p = torch.softmax(self.rate() * phi, 1)
        if self.code:
            right = torch.where(some > 0, p.gather(1, label)[:, 0], 1.0)
            cost = cost * self.w1 * (1 - self.lam * right) / own.shape[1]
        else:
            kl = (p * (p.log() - log_q)).sum(1)
            cost = cost - self.lam * some * kl
        before = self.names[self.names.index(name) - 1]
        if before in known:
            u, marks = known[before]
            gap = torch.softmax(u, 1) - torch.softmax(own, 1)
            gap = gap.detach() if self.code else gap
            cost = cost + self.alpha * marks * (gap**2).mean(1)
        loss = (rows * cost).mean()
        self.descend(loss, (name,))
        return float(loss.detach())

    def rectify(self, names, x, y, weight):
        total = 0.0
        for name in names:
            u, there = self.logits(name, x, True)
            total = total + there[:, None] * u
        loss = plain_torch.cross_entropy(self.rate() * total, y, weight)
        self.descend(loss, names, rate=True)
        return float(loss.detach())

    def descend(self, loss, names, rate=False):
        network, fusion = self.network, self.model.fusion
        moving = set()
        for name in names:
            moving |= network.owned(name)
            own = fusion if self.code else fusion.heads[self.names.index(name)]
            moving |= {id(v) for v in own.trainable_variables}
        if rate and self.code:
            moving.add(id(self.model.boost_rate))
        network.backward(loss)
        network.descend(still={id(v) for v, _ in network.parameters} - moving)


WEIGHTED = {"weighted": True, "missing": True}
CASES = {
    "paper": (NAMES, {}, {}),
    "lambda": (NAMES, {"lam": 0.5, "alpha": 2.0}, {}),
    "code": (NAMES, {"variant": "code"}, {}),
    "three": (THREE, {"stage_epochs": 2}, {}),
    "three-code": (THREE, {"variant": "code", "w1": 5.0, "lam": 0.2}, {}),
    "alone": (NAMES, {"rectify_epochs": 0}, {}),
    "weighted": (NAMES, {"alpha": 1.0}, WEIGHTED),
    "weighted-code": (NAMES, {"variant": "code"}, WEIGHTED),
}


def twin(model, arguments):
    return Expected(
        model,
        arguments.get("lam", 0.25),
        arguments.get("alpha", 0.5),
        arguments.get("w1", 4.0),
        arguments.get("variant") == "code",
    )


def schedule(names, stage_epochs, rectify_epochs, epochs):
    """`(active, others, rectifies, begins)` of each epoch, counted out."""
    found = []
    stage = 0
    while len(found) < epochs:
        name = names[stage % len(names)]
        known = [m for m in names[: stage + 1] if m != name]
        for i in range(stage_epochs):
            found.append(((name,), known, False, i == 0))
        for i in range(rectify_epochs):
            found.append((names[: stage + 1], (), True, i == 0))
        stage += 1
    return found[:epochs]


@pytest.mark.parametrize("case", CASES)
def test_training_is_that_of_the_equations(case):
    names, arguments, options = CASES[case]
    model = make(names, **arguments)
    x, y = networks.data(rows=32, modalities=names, seed=3)
    weight = np.ones(len(y))
    if "weighted" in options:
        weight = 0.5 + np.arange(len(y)) % 3
    if "missing" in options:
        x["audio_present"] = np.arange(len(y)) % 4 != 0
        x["audio"][~x["audio_present"]] = 0
    expected, losses = twin(model, arguments), []
    epochs = 9 if len(names) > 2 else 7
    history = fit(model, x, y, epochs, weight.astype("float32"))
    x = networks.filled(x, 16)
    order = schedule(names, model.stage_epochs, model.rectify_epochs, epochs)
    for active, others, rectifies, begins in order:
        if begins:
            expected.forget()
        for start in (0, 16):
            rows = slice(start, start + 16)
            part = {k: v[rows] for k, v in x.items()}
            batch = part, y[rows], weight[rows]
            if rectifies:
                losses.append(expected.rectify(active, *batch))
            else:
                losses.append(expected.turn(active[0], others, *batch))
    expected.network.assert_same()
    np.testing.assert_allclose(
        history["loss"], np.reshape(losses, (-1, 2)).mean(1), rtol=3e-5
    )
    rectified = [rectifies for _, _, rectifies, _ in order]
    shown = np.array(history["consolidation"])
    assert (shown[rectified] == 0).all() and shown[-2:].max() > 0
    if model.boost_rate is not None:
        assert abs(float(numpy(model.boost_rate)) - 1) > 1e-3


def snapshot(layers):
    return [np.array(w) for layer in layers for w in layer.get_weights()]


def test_who_moves_in_each_phase():
    """The others stand still: decay, momentum and BatchNormalization, too."""
    optimizer = keras.optimizers.AdamW(0.02, weight_decay=0.1)
    model = make(optimizer=optimizer)
    x, y = networks.data(rows=32, modalities=NAMES)
    parts = {
        name: [model.encoders[name], model.fusion.heads[i]]
        for i, name in enumerate(NAMES)
    }
    moving = [("audio",)] * 2 + [("text",), NAMES, ("audio",), NAMES]
    for epoch, active in enumerate(moving):
        before = {name: snapshot(part) for name, part in parts.items()}
        fit(model, x, y, epoch + 1, initial_epoch=epoch)
        for name, part in parts.items():
            moved = networks.difference(before[name], snapshot(part)) > 0
            assert moved == (name in active), (epoch, name)


def test_the_shared_head_moves_in_every_stage_and_the_rate_does_not():
    model = make(variant="code", rectify_epochs=2)
    x, y = networks.data(rows=32, modalities=NAMES)
    head = snapshot([model.fusion])
    fit(model, x, y, 1)
    assert networks.difference(head, snapshot([model.fusion])) > 0
    assert float(numpy(model.boost_rate)) == 1
    fit(model, x, y, 2, initial_epoch=1)
    rate = float(numpy(model.boost_rate))
    assert rate != 1
    model.trained.assign(3)
    fit(model, x, y, 4, initial_epoch=3)
    assert float(numpy(model.boost_rate)) == rate


def test_a_hidden_layer_in_the_shared_head():
    model = make(variant="code", fusion=Shared(units=(7,)))
    x, y = networks.data(rows=32, modalities=NAMES)
    assert len(model.fusion.trainable_variables) == 4
    for epoch in range(4):
        before = snapshot([model.fusion])
        fit(model, x, y, epoch + 1, initial_epoch=epoch)
        after = snapshot([model.fusion])
        assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_a_step_runs_no_more_than_it_needs():
    """0.67 of joint training in a stage, all of it in rectification."""
    model = make()
    runs = []
    encode = model.encode

    def watched(name, inputs, training=False):
        runs.append((name, training))
        return encode(name, inputs, training=training)

    model.encode = watched
    x, y = networks.data(rows=16, modalities=NAMES)
    expected = [
        [("audio", True)],
        [("audio", True)],
        [("audio", False), ("text", True)],
        [("audio", True), ("text", True)],
        [("text", False), ("audio", True)],
        [("audio", True), ("text", True)],
    ]
    for epoch, found in enumerate(expected):
        runs.clear()
        fit(model, x, y, epoch + 1, initial_epoch=epoch)
        # Keras runs the model once, symbolically, to build it.
        assert runs[0 if epoch else 2 :] == found


def test_predictions_are_of_those_that_have_begun():
    model = make()
    x, y = networks.data(rows=16, modalities=NAMES)

    def parts():
        inputs = {k: ops.convert_to_tensor(v) for k, v in x.items()}
        outputs = model.forward_pass(inputs)
        return [numpy(u) for u in outputs.unimodal.values()]

    np.testing.assert_allclose(
        model.predict(x, verbose=0), sum(parts()), atol=1e-5
    )
    for epoch, count in enumerate([1, 1, 2, 2]):
        fit(model, x, y, epoch + 1, initial_epoch=epoch)
        found = model.predict(x, verbose=0)
        np.testing.assert_allclose(found, sum(parts()[:count]), atol=1e-5)
    x["text_present"] = np.arange(16) % 2 == 0
    audio, text = parts()
    text = text * x["text_present"][:, None]
    np.testing.assert_allclose(
        model.predict(x, verbose=0), audio + text, atol=1e-5
    )


@pytest.mark.parametrize("variant", ["paper", "code"])
@pytest.mark.parametrize("stop", [1, 2, 4])
def test_training_goes_on_in_the_middle_of_a_stage(variant, stop, tmp_path):
    """With the moments of Adam, at a boundary, and by a second `fit`."""
    arguments = {"stage_epochs": 2, "rectify_epochs": 1, "variant": variant}
    models = [
        make(optimizer=keras.optimizers.Adam(0.01), **arguments)
        for _ in range(2)
    ]
    x, y = networks.data(rows=32, modalities=NAMES)
    whole = fit(models[0], x, y, 8)
    fit(models[1], x, y, stop)
    models[1].save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    history = fit(loaded, x, y, 8, initial_epoch=stop)
    assert history["phase"] == whole["phase"][stop:]
    expected = networks.weights(models[0])
    assert networks.difference(expected, networks.weights(loaded)) < 1e-6
    again = fit(models[1], x, y, 8 - stop)
    assert again["phase"] == whole["phase"][stop:]


def test_optimizers_start_anew_and_keep_their_rates():
    model = make(optimizer=keras.optimizers.Adam(0.01), stage_epochs=2)
    x, y = networks.data(rows=32, modalities=NAMES)
    fit(model, x, y, 2)
    first = model.optimizer.optimizers[0]
    assert int(numpy(first.iterations)) == 4
    model.optimizer.learning_rate = 0.005
    fit(model, x, y, 3, initial_epoch=2)
    assert int(numpy(first.iterations)) == 2
    assert float(numpy(first.learning_rate)) == pytest.approx(0.005)
    decay = keras.optimizers.schedules.PolynomialDecay(0.02, 100)
    model = make(optimizer=keras.optimizers.Adam(decay), stage_epochs=2)
    fit(model, x, y, 3)
    assert int(numpy(model.optimizer.optimizers[0].iterations)) == 6


def test_one_modality_is_trained_alone():
    x, y = networks.data(rows=16, modalities=("audio",))
    model = make(("audio",), rectify_epochs=0, stage_epochs=8)
    joint = networks.model(
        table.Row("joint", {"fusion": "sum"}),
        modalities=("audio",),
        optimizer=plain_torch.optimizer(),
        compile_arguments=EAGER,
    )
    fit(model, x, y, 3)
    fit(joint, x, y, 3)
    found, expected = (
        snapshot([*one.encoders.values(), one.fusion]) for one in (model, joint)
    )
    assert networks.difference(found, expected) < 1e-6


def test_without_lambda_and_alpha_it_alternates():
    """Its stages are the baseline's, with optimizers that start anew."""
    x, y = networks.data(rows=32, modalities=NAMES)
    model = make(lam=0.0, alpha=0.0, rectify_epochs=0, stage_epochs=2)
    naive = networks.model(
        table.Row("alternating", {"granularity": "stage", "stage_epochs": 2}),
        modalities=NAMES,
        optimizer=plain_torch.optimizer(),
        compile_arguments=EAGER,
        restarts=True,
    )
    fit(model, x, y, 7)
    fit(naive, x, y, 7)
    found, expected = (
        snapshot([*one.encoders.values(), one.fusion]) for one in (model, naive)
    )
    assert networks.difference(found, expected) < 1e-6


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"lam": 1.5}, "Received: lam=1.5"),
        ({"alpha": -1.0}, "Received: alpha=-1.0"),
        ({"stage_epochs": 0}, "Received: stage_epochs=0"),
        ({"rectify_epochs": -1}, "Received: rectify_epochs=-1"),
        ({"w1": float("nan")}, "Received: w1=nan"),
        ({"variant": "book"}, "Received: variant='book'"),
        ({"heads": True}, "Received: heads=True"),
        ({"fusion": "concat"}, "Received: Concat"),
    ],
)
def test_what_is_refused(arguments, message):
    encoders = {name: networks.encoder(name) for name in NAMES}
    with pytest.raises(ValueError, match=message):
        kb.ReconBoost(encoders, 3, **arguments)
