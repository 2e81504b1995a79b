"""G2D: numbers, both phases in plain torch, and who is held back."""

import types

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
from keras_balance.methods import g2d

NAMES = ("audio", "text")


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def tensor(values):
    return ops.convert_to_tensor(np.array(values, "float32"))


def test_divergence_of_two_predictions():
    taught = np.log([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]])
    logits = np.log([[0.25, 0.5, 0.25], [0.2, 0.3, 0.5]]) + 3
    found = numpy(g2d.divergences(tensor(taught), tensor(logits)))
    np.testing.assert_allclose(found, [0.25 * np.log(2), 0], atol=1e-6)
    # Squared temperature keeps its size: of small logits it hardly depends.
    small = [tensor(0.1 * np.array(v)) for v in ([[1, 0, 2]], [[0, 1, 0]])]
    cold, warm = (float(numpy(g2d.divergences(*small, t))[0]) for t in (1, 9))
    assert cold == pytest.approx(warm, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 5.0))
def test_divergences_are_positive_and_finite(seed, temperature):
    random = np.random.default_rng(seed)
    taught, logits = 50 * random.normal(size=(2, 4, 3))
    values = numpy(g2d.divergences(tensor(taught), tensor(logits), temperature))
    assert np.isfinite(values).all() and values.min() > -1e-4
    same = numpy(g2d.divergences(tensor(taught), tensor(taught), temperature))
    np.testing.assert_allclose(same, 0, atol=1e-4)


@pytest.mark.parametrize(
    "totals, expected",
    [
        ([3.0, 2.0], [0, 1]),
        ([1.0, 2.0, 3.0], [1, 0, 0]),
        ([2.0, 2.0], [1, 1]),
        ([0.0, 0.0], [1, 1]),
        ([1.0, 2.0, 1.0], [1, 0, 1]),
        ([5.0], [1]),
    ],
)
def test_the_least_sure_teacher_has_priority(totals, expected):
    found = numpy(g2d.priorities(tensor(totals), tensor(8.0)))
    np.testing.assert_array_equal(found, expected)


def test_encoders_that_cannot_learn_have_no_priority():
    totals, weight = tensor([1.0, 2.0, 3.0]), tensor(8.0)
    found = numpy(g2d.priorities(totals, weight, learners=[1, 2]))
    assert list(found[1:]) == [1, 0]


def make(modalities=NAMES, optimizer=None, **arguments):
    return networks.model(
        table.Row("g2d", {"teacher_epochs": 1, **arguments}),
        modalities=modalities,
        optimizer=optimizer or plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
    )


def trained_teachers(names=NAMES, seed=7):
    """Encoders and heads with weights of their own, statistics included."""
    random = np.random.default_rng(seed)
    teachers = {name: networks.encoder(name) for name in names}
    heads = {name: keras.layers.Dense(3) for name in names}
    for name in names:
        heads[name].build((None, 5))
        for layer in (teachers[name], heads[name]):
            layer.set_weights(
                [random.uniform(0.2, 0.8, w.shape) for w in layer.get_weights()]
            )
    return {"teachers": teachers, "teacher_heads": heads}


def twin(model, encoders, heads, layers):
    """A `plain_torch.Network` of a part of the model."""
    every = (*encoders.values(), *heads.values(), *layers)
    return plain_torch.Network(
        types.SimpleNamespace(
            modalities=model.modalities,
            encoders=encoders,
            heads=heads,
            fusion=model.fusion,
            trainable_variables=[
                v for layer in every for v in layer.trainable_variables
            ],
            variables=[v for layer in every for v in layer.variables],
        )
    )


def marked(x, y, name, weight):
    """Presence, and what a mean over the rows with a modality weighs."""
    present = x.get(f"{name}_present", np.ones(len(y))).astype("float64")
    own = weight * present
    rows = own * weight.sum() / max(own.sum(), 1e-8)
    return torch.tensor(present), torch.tensor(rows)


def teach(network, x, y, weight):
    loss = 0.0
    for name in network.names:
        present, rows = marked(x, y, name, weight)
        z = network.encode(name, x[name]) * present[:, None]
        u = network.dense(network.model.heads[name], z)
        loss = loss + plain_torch.cross_entropy(u, y, rows.numpy())
    network.backward(loss)
    network.descend()
    return float(loss.detach())


def study(network, teacher, x, y, weight, options, priority):
    """A step of the students; returns the loss and who learned."""
    features, taught, loss, complete = {}, {}, 0.0, torch.tensor(weight)
    for name in network.names:
        present, rows = marked(x, y, name, weight)
        complete = complete * present
        features[name] = network.encode(name, x[name]) * present[:, None]
        with torch.no_grad():
            goal = teacher.encode(name, x[name], training=False)
            goal = goal * present[:, None]
            taught[name] = teacher.dense(teacher.model.heads[name], goal)
        each = ((features[name] - goal) ** 2).mean(1)
        loss = loss + options["scaling"] * (rows * each).mean()
    logits = network.fuse(features)
    t = options["temperature"]
    for name in network.names:
        _, rows = marked(x, y, name, weight)
        each = torch.nn.functional.kl_div(
            torch.log_softmax(logits / t, 1),
            torch.softmax(taught[name] / t, 1),
            reduction="none",
        ).sum(1)
        loss = loss + options["logit_scaling"] * t * t * (rows * each).mean()
    loss = loss + plain_torch.cross_entropy(logits, y, weight)
    network.backward(loss)
    scores = {
        name: float(
            (complete * torch.softmax(u, 1)[torch.arange(len(y)), y]).sum()
        )
        for name, u in taught.items()
    }
    weakest = min(scores, key=scores.get)
    factors = {
        id(v): 0.0
        for name in network.names
        for v in network.model.encoders[name].trainable_variables
        if priority(v) and name != weakest
    }
    network.descend(factors)
    return float(loss.detach()), weakest


CASES = {
    "trained": ({}, NAMES, False),
    "given": ({"given": True}, NAMES, False),
    "weighted": ({"given": True}, NAMES, True),
    "code": ({"variant": "code"}, ("audio", "visual"), False),
    "three": ({"given": True}, ("visual", "text", "audio"), False),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:variant='code' touches")
def test_training_is_that_of_the_equations(case):
    arguments, names, weighted = CASES[case]
    arguments = dict(arguments)
    options = {"scaling": 0.5, "logit_scaling": 0.3, "temperature": 2.0}
    given = arguments.pop("given", False)
    lessons = 0 if given else 2
    if given:
        arguments |= trained_teachers(names)
    else:
        arguments["teacher_epochs"] = 2
    model = make(names, priority_epochs=1, **options, **arguments)
    if not given:
        for name in names:
            weights = model.encoders[name].get_weights()
            model.teachers[name].set_weights(weights)
    x, y = networks.data(rows=48, modalities=names, seed=3)
    weight = np.ones(len(y))
    if weighted:
        weight = 0.5 + np.arange(len(y)) % 3
        x["audio_present"] = np.arange(len(y)) % 4 != 0
        x["audio"][~x["audio_present"]] = 0
    student = twin(model, model.encoders, {}, (model.fusion,))
    teacher = twin(model, model.teachers, model.teacher_heads, ())
    epochs = lessons + 3
    history = model.fit(
        x,
        y,
        sample_weight=weight.astype("float32"),
        batch_size=16,
        epochs=epochs,
        shuffle=False,
        verbose=0,
    ).history
    code = arguments.get("variant") == "code"
    x = networks.filled(x, 16)
    losses, learned = [], []
    for epoch in range(epochs):
        early = epoch - lessons < 1 + code
        for start in range(0, 48, 16):
            rows = slice(start, start + 16)
            batch = {k: v[rows] for k, v in x.items()}, y[rows], weight[rows]
            if epoch < lessons:
                losses.append(teach(teacher, *batch))
                continue
            loss, weakest = study(
                student,
                teacher,
                *batch,
                options,
                lambda v, early=early: early and (not code or v.ndim == 4),
            )
            losses.append(loss)
            learned.append([not early or name == weakest for name in names])
    student.assert_same()
    teacher.assert_same()
    np.testing.assert_allclose(
        history["loss"], np.reshape(losses, (epochs, 3)).mean(1), rtol=2e-5
    )
    learned = np.reshape(learned, (3, 3, -1)).mean(1)
    for i, name in enumerate(names):
        found = history[f"{name}_coefficient"][lessons:]
        np.testing.assert_allclose(found, learned[:, i], atol=1e-6)


def test_who_is_held_back_stands_still():
    arguments = trained_teachers()
    # A teacher that is always sure of the first class, and labels of it.
    sure = arguments["teacher_heads"]["audio"]
    sure.set_weights([np.zeros((5, 3)), np.array([9.0, 0.0, 0.0])])
    model = make(optimizer=keras.optimizers.SGD(0.1), **arguments)
    x, _ = networks.data(rows=16, modalities=NAMES)
    before = [
        [np.array(w) for w in model.encoders[name].get_weights()]
        for name in NAMES
    ]
    kernels = [numpy(v) for v in model.encoders["audio"].trainable_variables]
    history = model.fit(x, np.zeros(16, "int32"), verbose=0).history
    assert history["audio_coefficient"] == [0]
    assert history["text_coefficient"] == [1]
    assert history["audio_teacher_score"][0] > 0.99
    after = [numpy(v) for v in model.encoders["audio"].trainable_variables]
    assert networks.difference(kernels, after) == 0
    assert (
        networks.difference(before[1], model.encoders["text"].get_weights()) > 0
    )


def test_priorities_end():
    model = make(priority_epochs=1, **trained_teachers())
    x, y = networks.data(rows=16, modalities=NAMES)
    history = model.fit(x, y, epochs=2, verbose=0).history
    found = [history[f"{name}_coefficient"] for name in NAMES]
    assert sorted(values[0] for values in found) == [0, 1]
    assert [values[1] for values in found] == [1, 1]
    # They do not come back with a second call.
    history = model.fit(x, y, epochs=1, verbose=0).history
    assert [history[f"{name}_coefficient"] for name in NAMES] == [[1], [1]]


def test_without_complete_rows_all_learn():
    model = make(**trained_teachers())
    x, y = networks.data(rows=16, modalities=NAMES)
    x["audio_present"] = np.arange(16) % 2 == 0
    x["text_present"] = np.arange(16) % 2 == 1
    history = model.fit(x, y, verbose=0).history
    assert [history[f"{name}_coefficient"] for name in NAMES] == [[1], [1]]


def test_neutral_arguments_are_joint_training():
    x, y = networks.data(rows=32, modalities=NAMES)
    neutral = {"scaling": 0.0, "logit_scaling": 0.0, "priority_epochs": 0}
    model = make(**neutral, **trained_teachers())
    joint = networks.model(
        table.Row("joint"),
        modalities=NAMES,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
    )
    weights = []
    for one in (model, joint):
        one.fit(x, y, epochs=2, shuffle=False, verbose=0)
        layers = (*one.encoders.values(), one.fusion)
        weights.append([w for layer in layers for w in layer.get_weights()])
    assert networks.difference(*weights) < 1e-6


@pytest.mark.parametrize("given", [False, True], ids=["trained", "given"])
def test_teachers_and_their_heads_are_saved(given, tmp_path):
    model = make(priority_epochs=2, **(trained_teachers() if given else {}))
    x, y = networks.data(rows=32, modalities=NAMES)
    options = {"batch_size": 16, "shuffle": False, "verbose": 0}
    model.fit(x, y, epochs=2, **options)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name in NAMES:
        for one, other in zip(
            model.teacher_heads[name].get_weights(),
            loaded.teacher_heads[name].get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)
        assert loaded.teacher_heads[name].trainable != given
    for one in (model, loaded):
        one.fit(x, y, epochs=4, initial_epoch=2, **options)
    weights = networks.weights(model), networks.weights(loaded)
    assert networks.difference(*weights) < 1e-6


def test_an_encoder_without_convolutions_is_named():
    with pytest.warns(UserWarning, match="encoder of 'text' has none"):
        make(variant="code")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"logit_scaling": -1.0}, "Received: logit_scaling=-1.0"),
        ({"temperature": 0.0}, "Received: temperature=0.0"),
        ({"priority_epochs": -1}, "Received: priority_epochs=-1"),
        ({"variant": "book"}, "Received: variant='book'"),
        (
            {"teachers": {n: keras.layers.Dense(5) for n in NAMES}},
            "teacher_heads=None",
        ),
        (
            {"teacher_heads": {"audio": keras.layers.Dense(3)}},
            r"teacher_heads=\['audio'\]",
        ),
    ],
)
def test_what_is_refused(arguments, message):
    encoders = {name: networks.encoder(name) for name in NAMES}
    with pytest.raises(ValueError, match=message):
        kb.G2D(encoders, 3, **arguments)
