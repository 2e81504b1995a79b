"""UMT: numbers, both phases in plain torch, and what must not move."""

import types

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from keras import ops

import keras_balance as kb
from keras_balance.methods import unimodal_teacher as umt

NAMES = ("audio", "text")
FEATURES = np.array([[1.0, 2.0], [0.0, 1.0]])
GOALS = np.array([[0.0, 2.0], [1.0, 1.0]])


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def mean_distance(features):
    found = umt.distances(
        ops.convert_to_tensor(features, "float32"),
        ops.convert_to_tensor(GOALS, "float32"),
    )
    return float(numpy(found).mean())


def test_the_distance_of_the_fact_sheet():
    assert mean_distance(FEATURES) == pytest.approx(0.5)
    gradient = np.zeros((2, 2))
    for index in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[index] = 0.5
        # Exact for a square.
        up, down = (
            mean_distance(FEATURES + step),
            mean_distance(FEATURES - step),
        )
        gradient[index] = up - down
    np.testing.assert_allclose(gradient, [[0.5, 0], [-0.5, 0]], atol=1e-6)


def make(modalities=NAMES, optimizer=None, **arguments):
    return networks.model(
        table.Row("umt", {"teacher_epochs": 1, **arguments}),
        modalities=modalities,
        optimizer=optimizer or plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
    )


def trained_teachers(seed=7):
    """Encoders with weights of their own, statistics included."""
    random = np.random.default_rng(seed)
    teachers = {name: networks.encoder(name) for name in NAMES}
    for teacher in teachers.values():
        teacher.set_weights(
            [random.uniform(0.2, 0.8, w.shape) for w in teacher.get_weights()]
        )
    return teachers


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


def student_of(model):
    return twin(model, model.encoders, {}, (model.fusion,))


def teacher_of(model):
    return twin(model, model.teachers, model.teacher_heads, ())


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


def marked(x, y, name, weight):
    """Presence `(batch,)` and what a mean over present rows weighs."""
    present = x.get(f"{name}_present", np.ones(len(y))).astype("float64")
    own = weight * present
    rows = own * weight.sum() / max(own.sum(), 1e-8)
    return torch.tensor(present), torch.tensor(own), torch.tensor(rows)


def teach(network, x, y, weight):
    loss = 0.0
    for name in network.names:
        present, _, rows = marked(x, y, name, weight)
        z = network.encode(name, x[name]) * present[:, None]
        u = network.dense(network.model.heads[name], z)
        loss = loss + plain_torch.cross_entropy(u, y, rows.numpy())
    network.backward(loss)
    network.descend()
    return float(loss.detach())


def study(network, teacher, x, y, weight, scaling, normalize):
    features, distance = {}, 0.0
    for name in network.names:
        present, own, rows = marked(x, y, name, weight)
        features[name] = network.encode(name, x[name]) * present[:, None]
        with torch.no_grad():
            goal = teacher.encode(name, x[name], training=False)
            goal = goal * present[:, None]
        each = ((features[name] - goal) ** 2).mean(1)
        if normalize:
            each = each / ((own * (goal**2).mean(1)).sum() / own.sum())
        distance = distance + (rows * each).mean()
    loss = plain_torch.cross_entropy(network.fuse(features), y, weight)
    loss = loss + scaling * distance
    network.backward(loss)
    network.descend()
    return float(loss.detach())


CASES = {
    "plain": ({"scaling": 0.5}, False),
    "normalized": ({"scaling": 0.5, "normalize": True}, False),
    "weighted": ({"scaling": 0.5, "normalize": True}, True),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("given", [False, True], ids=["trained", "given"])
def test_training_is_that_of_the_equations(case, given):
    arguments, weighted = CASES[case]
    if given:
        arguments = {**arguments, "teachers": trained_teachers()}
    else:
        arguments = {**arguments, "teacher_epochs": 2}
    model = make(**arguments)
    if not given:
        # Drawn like all kernels; they start as the encoders do.
        for name in NAMES:
            weights = model.encoders[name].get_weights()
            model.teachers[name].set_weights(weights)
    x, y = networks.data(rows=48, modalities=NAMES, seed=3)
    weight = np.ones(len(y))
    if weighted:
        weight = 0.5 + np.arange(len(y)) % 3
        x["audio_present"] = np.arange(len(y)) % 4 != 0
        x["audio"][~x["audio_present"]] = 0
    student, teacher = student_of(model), teacher_of(model)
    history = fit(model, x, y, 4, weight.astype("float32"))
    x = networks.filled(x, 16)
    losses = []
    for epoch in range(4):
        for part in range(3):
            rows = slice(part * 16, part * 16 + 16)
            batch = {k: v[rows] for k, v in x.items()}, y[rows], weight[rows]
            if not given and epoch < 2:
                losses.append(teach(teacher, *batch))
                continue
            normalize = arguments.get("normalize", False)
            losses.append(study(student, teacher, *batch, 0.5, normalize))
    student.assert_same()
    teacher.assert_same()
    np.testing.assert_allclose(
        history["loss"], np.reshape(losses, (4, 3)).mean(1), rtol=2e-5
    )
    if given:
        assert "phase" not in history
    else:
        assert history["phase"] == [0, 0, 1, 1]
        assert history["audio_distance"][1] == 0
    assert history["audio_distance"][3] > 0


def snapshot(layers):
    return [np.array(w) for layer in layers for w in layer.get_weights()]


@pytest.mark.parametrize("given", [False, True], ids=["trained", "given"])
def test_only_one_of_the_two_moves(given):
    teachers = {"teachers": trained_teachers()} if given else {}
    optimizer = keras.optimizers.AdamW(0.02, weight_decay=0.1)
    model = make(optimizer=optimizer, **teachers)
    x, y = networks.data(rows=32, modalities=NAMES)
    own = [*model.encoders.values(), model.fusion]
    taught = [*model.teachers.values(), *model.teacher_heads.values()]
    epoch = 0
    if not given:
        before = snapshot(own), snapshot(taught)
        fit(model, x, y, 1)
        assert networks.difference(before[0], snapshot(own)) == 0
        assert networks.difference(before[1], snapshot(taught)) > 0
        epoch = 1
    before = snapshot(own), snapshot(taught)
    fit(model, x, y, epoch + 2, initial_epoch=epoch)
    assert networks.difference(before[0], snapshot(own)) > 0
    assert networks.difference(before[1], snapshot(taught)) == 0


def test_the_optimizer_of_the_students_starts_afresh():
    """Its clock and its moments have not seen the teachers' epochs."""

    def optimizer():
        rate = keras.optimizers.schedules.PolynomialDecay(0.02, 4, 0.0)
        return keras.optimizers.Adam(rate)

    x, y = networks.data(rows=32, modalities=NAMES)
    first = make(optimizer=optimizer(), teacher_epochs=2)
    fit(first, x, y, 2)
    teachers = {name: networks.encoder(name) for name in NAMES}
    for name in NAMES:
        teachers[name].set_weights(first.teachers[name].get_weights())
    second = make(optimizer=optimizer(), teachers=teachers)
    # The draws of the kernels are for all trainable variables in turn.
    layers = [[*one.encoders.values(), one.fusion] for one in (first, second)]
    for own, other in zip(*layers, strict=True):
        other.set_weights(own.get_weights())
    fit(first, x, y, 4, initial_epoch=2)
    fit(second, x, y, 2)
    assert networks.difference(*map(snapshot, layers)) < 1e-6


def test_averaged_weights_of_the_teachers_are_their_own():
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    model = make(optimizer=optimizer)
    x, y = networks.data(rows=32, modalities=NAMES)
    fit(model, x, y, 1)
    taught = snapshot(model.teachers.values())
    fit(model, x, y, 2, initial_epoch=1)
    # `fit` ends with the averages, and those of the first phase last.
    assert networks.difference(taught, snapshot(model.teachers.values())) == 0


def test_teachers_start_from_the_weights_of_the_encoders():
    model = make()
    x, y = networks.data(rows=16, modalities=NAMES)
    drawn = snapshot(model.teachers.values())
    initial = snapshot(model.encoders.values())
    assert networks.difference(drawn, initial) > 0
    model.on_epoch_begin(0, None)
    assert networks.difference(snapshot(model.teachers.values()), initial) == 0
    fit(model, x, y, 1)
    taught = snapshot(model.teachers.values())
    assert networks.difference(taught, initial) > 0
    # Once they are trained, a second `fit` trains the model.
    fit(model, x, y, 1)
    assert model.phase == "students"
    assert networks.difference(snapshot(model.teachers.values()), taught) == 0


def test_without_scaling_training_is_joint():
    x, y = networks.data(rows=32, modalities=NAMES)
    model = make(teachers=trained_teachers(), scaling=0.0)
    joint = networks.model(
        table.Row("joint"),
        modalities=NAMES,
        optimizer=plain_torch.optimizer(),
        compile_arguments={"run_eagerly": True},
    )
    fit(model, x, y, 2)
    fit(joint, x, y, 2)
    found = snapshot([*model.encoders.values(), model.fusion])
    expected = snapshot([*joint.encoders.values(), joint.fusion])
    assert networks.difference(found, expected) < 1e-6


def test_a_silent_teacher_is_compared_as_it_is():
    teachers = trained_teachers()
    for teacher in teachers.values():
        teacher.set_weights([np.zeros_like(w) for w in teacher.get_weights()])
    model = make(teachers=teachers, normalize=True)
    x, y = networks.data(rows=16, modalities=NAMES)
    assert np.isfinite(fit(model, x, y, 1)["loss"]).all()


def test_any_fusion_and_own_heads():
    x, y = networks.data(rows=16, modalities=NAMES)
    for arguments in ({"fusion": "gated"}, {"fusion": "gated", "heads": True}):
        history = fit(make(**arguments), x, y, 3)
        assert np.isfinite(history["loss"]).all()
        assert ("audio_accuracy" in history) == ("heads" in arguments)


def test_regularization_is_that_of_what_is_trained():
    def regularized(name):
        inputs = keras.Input(networks.SHAPES[name])
        decay = keras.regularizers.L2(0.1)
        return keras.Model(
            inputs, keras.layers.Dense(5, kernel_regularizer=decay)(inputs)
        )

    x, y = networks.data(rows=16, modalities=NAMES)
    encoders = {name: regularized(name) for name in NAMES}
    teachers = {name: regularized(name) for name in NAMES}
    model = kb.UniModalTeacher(encoders, 3, scaling=0.0, teachers=teachers)
    model.compile(optimizer=keras.optimizers.SGD(0.0), run_eagerly=True)
    loss = fit(model, x, y, 1)["loss"][0]
    own = sum(0.1 * (e.get_weights()[0] ** 2).sum() for e in encoders.values())
    logits = model.predict(x, verbose=0)
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert loss == pytest.approx(float(plain(y, logits)) + own, rel=1e-5)


@pytest.mark.parametrize("given", [False, True], ids=["trained", "given"])
def test_teachers_are_saved_with_the_model(given, tmp_path):
    teachers = {"teachers": trained_teachers()} if given else {}
    model = make(**teachers)
    x, y = networks.data(rows=32, modalities=NAMES)
    fit(model, x, y, 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    before = snapshot(model.teachers.values())
    assert networks.difference(before, snapshot(loaded.teachers.values())) == 0
    assert not any(t.trainable for t in loaded.teachers.values()) or not given
    for one in (model, loaded):
        fit(one, x, y, 4, initial_epoch=2)
    assert (
        networks.difference(networks.weights(model), networks.weights(loaded))
        < 1e-6
    )


def test_a_teacher_of_another_width_is_refused():
    def encoders(width):
        return {
            "audio": keras.layers.Dense(4),
            "text": keras.layers.Dense(width),
        }

    model = kb.UniModalTeacher(encoders(5), 3, teachers=encoders(6))
    with pytest.raises(ValueError, match="features of one width") as error:
        model.build({name: (None, 2) for name in NAMES})
    assert "encoders['text'] with 5, teachers['text'] with 6" in str(
        error.value
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"scaling": -1.0}, "Received: scaling=-1.0"),
        ({"teacher_epochs": 0}, "Received: teacher_epochs=0"),
        ({"teachers": {}}, "encoders must be a dict"),
        ({"teachers": {"audio": keras.layers.Dense(5)}}, "an encoder for each"),
    ],
)
def test_what_is_refused(arguments, message):
    encoders = {name: networks.encoder(name) for name in NAMES}
    with pytest.raises(ValueError, match=message):
        kb.UniModalTeacher(encoders, 3, **arguments)
    with pytest.raises(ValueError, match="must not be an encoder"):
        kb.UniModalTeacher(encoders, 3, teachers=encoders)
