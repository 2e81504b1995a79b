"""IGM: stages, training steps in plain torch, restarts and mixing."""

import keras
import networks
import numpy as np
import plain_torch
import pytest
import sklearn.metrics
import table
import torch
from keras import ops

import keras_balance as kb
from keras_balance.methods import igm
from keras_balance.methods import igm_head_inputs as head_inputs
from keras_balance.methods import igm_mixup as mixing

NAMES = ("audio", "text")
CLASSES = range(3)
RHO = 0.2


def numpy(value):
    return np.array(ops.convert_to_numpy(value))


def make(modalities=NAMES, optimizer=None, eagerly=True, **arguments):
    return networks.model(
        table.Row("igm"),
        modalities=modalities,
        optimizer=optimizer or plain_torch.optimizer(),
        compile_arguments={"run_eagerly": eagerly},
        **arguments,
    )


def test_stages_are_taken_again_and_again():
    found = [igm.stage_at(epoch, (2, 3)) for epoch in range(8)]
    assert [stage for stage, _ in found] == [0, 0, 1, 1, 1, 2, 2, 3]
    assert [place for _, place in found] == [0, 1, 0, 1, 2, 0, 1, 0]
    assert igm.stage_at(7, (1,)) == (7, 0)


def test_moments_of_rows_and_of_means():
    rows = np.array([[1.0, 0.0], [1.0, 2.0], [np.nan, 9.0]], "float32")
    weight = np.array([1.0, 1.0, 0.0])
    found = head_inputs.second_moment(rows, weight)
    np.testing.assert_allclose(found, [[2, 2], [2, 4]])
    found = head_inputs.second_moment(rows, weight, of_means=True)
    np.testing.assert_allclose(found, [[1, 1], [1, 1]])
    nothing = head_inputs.second_moment(rows, 0 * weight, of_means=True)
    np.testing.assert_array_equal(nothing, np.zeros((2, 2)))


def test_partners_are_usable_rows():
    draws = ops.convert_to_tensor(np.array([0.7, 0.1, 0.4, 0.9], "float32"))
    usable = ops.convert_to_tensor(np.array([True, True, False, True]))
    # In the order of the draws: 1, 2, 0, 3; the third row is out.
    found = numpy(mixing.partners(draws, usable))
    np.testing.assert_array_equal(found, [1, 1, 2, 3])
    x = ops.convert_to_tensor(np.arange(4, dtype="float32")[:, None])
    found = numpy(mixing.mixed(x, ops.convert_to_tensor(found), 0.25))
    np.testing.assert_allclose(found[:, 0], [0.75, 1, 2, 3])


class Expected:
    """The equations once more, with momentum."""

    def __init__(self, model, temperature=0.4, sam=True, code=False):
        self.network = plain_torch.Network(model)
        self.model = model
        self.temperature, self.sam, self.code = temperature, sam, code
        self.filters = {}
        self.best, self.kept = -1.0, None
        self.variables = {
            name: [
                *model.encoders[name].trainable_variables,
                *model.fusion.own_layers()[i].trainable_variables,
            ]
            for i, name in enumerate(model.modalities)
        }

    def layers(self, name):
        head = self.model.fusion.own_layers()[self.network.names.index(name)]
        return getattr(head, "layers", [head])

    def head(self, name, z):
        """Logits, and what each linear map was given."""
        given = []
        for layer in self.layers(name):
            given.append(z)
            z = self.network.dense(layer, z)
            if layer.activation.__name__ == "relu":
                z = torch.relu(z)
        return z, given

    def forward(self, name, x, training=True):
        present = torch.tensor(
            x.get(f"{name}_present", np.ones(len(x[name]))).astype("float64")
        )
        z = self.network.encode(name, x[name], training)
        return self.head(name, z * present[:, None])

    def rows(self, name, x, weight):
        own = weight * x.get(f"{name}_present", np.ones(len(weight)))
        return own * weight.sum() / max(own.sum(), 1e-8)

    def begin_stage(self, name, before, batches):
        if self.kept is not None:
            with torch.no_grad():
                for key, value in self.kept.items():
                    self.network.tensors[key].copy_(value)
        for v in self.variables[name]:
            self.network.velocities.pop(id(v), None)
        total = [0.0] * len(self.layers(before))
        for x, _, weight in batches:
            own = weight * x.get(f"{before}_present", np.ones(len(weight)))
            with torch.no_grad():
                _, given = self.forward(before, x, training=False)
            for i, a in enumerate(given):
                a = a.numpy()
                if self.code:
                    m = own @ a / own.sum()
                    total[i] = total[i] + np.outer(m, m)
                else:
                    total[i] = total[i] + (own[:, None] * a).T @ a
        self.filters[name] = [self.filter(c) for c in total]

    def filter(self, covariance):
        u, size, _ = np.linalg.svd(covariance)
        share = (size - size.min()) / (size.max() - size.min())
        weights = np.exp(-self.temperature * share)
        return torch.tensor(u @ np.diag(weights) @ u.T)

    def step(self, name, x, y, weight, draws=None):
        loss = self.loss(name, x, y, weight, draws)
        self.network.backward(loss)
        if self.sam and not self.code:
            self.sharpen(name, x, y, weight)
        for layer, matrix in zip(
            self.layers(name), self.filters.get(name, ()), strict=False
        ):
            kernel = self.network[layer.kernel]
            if matrix.shape[0] == kernel.shape[0]:
                kernel.grad = matrix @ kernel.grad
        own = {id(v) for v in self.variables[name]}
        every = {id(v) for v, _ in self.network.parameters}
        self.network.descend(still=every - own)
        return float(loss.detach())

    def loss(self, name, x, y, weight, draws):
        rows = self.rows(name, x, weight)
        if draws is None:
            logits, _ = self.forward(name, x)
            return plain_torch.cross_entropy(logits, y, rows)
        order, r = np.argsort(draws[0]), draws[1]
        usable = rows > 0
        partner = np.where(usable & usable[order], order, np.arange(len(y)))
        mixed = r * x[name] + (1 - r) * x[name][partner]
        logits, _ = self.forward(name, {**x, name: mixed})
        own = plain_torch.cross_entropy(logits, y, rows)
        other = plain_torch.cross_entropy(logits, y[partner], rows)
        both = r * own + (1 - r) * other
        return 0.7 * both + 0.3 * own if self.sam else both

    def sharpen(self, name, x, y, weight):
        tensors = [self.network[v] for v in self.variables[name]]
        held = [t.detach().clone() for t in self.network.tensors.values()]
        norm = torch.sqrt(sum((t.grad**2).sum() for t in tensors))
        with torch.no_grad():
            for t in tensors:
                t.add_(RHO * t.grad / norm)
        self.network.backward(self.loss(name, x, y, weight, None))
        with torch.no_grad():
            # Moving averages are those of the first pass, too.
            for t, old in zip(self.network.tensors.values(), held, strict=True):
                t.copy_(old)

    def predict(self, x):
        with torch.no_grad():
            p, marks = [], []
            for name in self.network.names:
                p.append(torch.softmax(self.forward(name, x, False)[0], 1))
                present = x.get(f"{name}_present", np.ones(len(x[name])))
                marks.append(torch.tensor(present.astype("float64")))
            marks, p = torch.stack(marks), torch.stack(p)
            return ((marks / marks.sum(0))[:, :, None] * p).sum(0).numpy()

    def watch(self, x, y):
        named = self.predict(x).argmax(1)
        score = sklearn.metrics.f1_score(
            y, named, average="macro", labels=CLASSES, zero_division=0
        )
        if score > self.best:
            self.best = score
            self.kept = {
                k: t.detach().clone() for k, t in self.network.tensors.items()
            }


CASES = {
    "paper": ({}, NAMES, {}),
    "linear": ({"fusion": "sum", "temperature": 2.0}, NAMES, {}),
    "without sam": ({"sam": False}, NAMES, {}),
    "restarted": ({"sam": False, "restart": True}, NAMES, {}),
    "code": ({"variant": "code"}, NAMES, {}),
    "code without sam": ({"variant": "code", "sam": False}, NAMES, {}),
    "three": ({"fusion": "sum"}, ("visual", "text", "audio"), {}),
    "weighted": ({}, NAMES, {"weighted": True}),
    "weighted code": ({"variant": "code"}, NAMES, {"weighted": True}),
}


def case_data(names, weighted):
    x, y = networks.data(rows=48, modalities=names, seed=3)
    weight = np.ones(len(y))
    if weighted:
        weight = 1.0 * (np.arange(len(y)) % 3)
        x["audio_present"] = np.arange(len(y)) % 4 != 0
        x["audio"][~x["audio_present"]] = 0
    return x, y, weight


@pytest.mark.parametrize("case", CASES)
def test_training_is_that_of_the_equations(case, monkeypatch):
    arguments, names, options = CASES[case]
    model = make(names, stage_epochs=(1, 2), rho=RHO, **arguments)
    x, y, weight = case_data(names, "weighted" in options)
    code = arguments.get("variant") == "code"
    random = np.random.default_rng(5)
    every = [
        (random.uniform(size=16).astype("float32"), random.uniform())
        for _ in range(15)
    ]
    calls = iter(every)

    def draw(self, batch):
        draws, share = next(calls)
        return tuple(
            ops.convert_to_tensor(np.float32(d)) for d in (draws, share)
        )

    monkeypatch.setattr(kb.IGM, "draw", draw)
    expected = Expected(
        model,
        arguments.get("temperature", 0.4),
        arguments.get("sam", True),
        code,
    )
    history = model.fit(
        x,
        y,
        sample_weight=weight.astype("float32"),
        validation_data=(x, y),
        batch_size=16,
        epochs=5,
        shuffle=False,
        verbose=0,
    ).history
    parts, x_filled = [], networks.filled(x, 16)
    for start in range(0, 48, 16):
        rows = slice(start, start + 16)
        part = {k: v[rows] for k, v in x_filled.items()}
        parts.append((part, y[rows], weight[rows]))
    losses, calls = [], iter(every)
    for epoch in range(5):
        stage, place = igm.stage_at(epoch, (1, 2))
        name, before = names[stage % len(names)], names[stage % len(names) - 1]
        if stage and not place:
            expected.begin_stage(name, before, parts)
        for part in parts:
            draws = next(calls) if code else None
            losses.append(expected.step(name, *part, draws))
        if model.restarts:
            expected.watch(x, y)
    expected.network.assert_same()
    np.testing.assert_allclose(
        history["loss"], np.reshape(losses, (5, 3)).mean(1), rtol=2e-5
    )
    np.testing.assert_allclose(
        model.predict(x, verbose=0),
        np.log(expected.predict(x)),
        atol=5e-5,
    )
    assert history["phase"] == [
        igm.stage_at(epoch, (1, 2))[0] % len(names) for epoch in range(5)
    ]
    assert history["text_coefficient"][1] < 0.999


def test_a_stage_in_the_middle_is_saved(tmp_path):
    model = make(stage_epochs=2, variant="code", seed=3)
    x, y = networks.data(rows=32, modalities=NAMES)
    options = {"validation_data": (x, y), "batch_size": 8, "verbose": 0}
    model.fit(x, y, epochs=3, shuffle=False, **options)
    assert int(numpy(model.trained)) == 3
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name in NAMES:
        for one, other in zip(
            model.filters[name], loaded.filters[name], strict=True
        ):
            if one is not None:
                np.testing.assert_array_equal(numpy(one), numpy(other))
    # Epochs are counted over calls: the same stage goes on, then the next.
    for each in (model, loaded):
        history = each.fit(x, y, epochs=2, shuffle=False, **options).history
        assert history["phase"] == [1, 0]
    weights = networks.weights(model), networks.weights(loaded)
    assert networks.difference(*weights) == 0


def test_the_modality_at_rest_stands_still():
    model = make(stage_epochs=1)
    x, y = networks.data(rows=32, modalities=NAMES)
    model.fit(x, y, verbose=0)
    still = [
        *model.encoders["audio"].variables,
        *model.fusion.own_layers()[0].variables,
    ]
    before = [numpy(v) for v in still]
    passes = []
    encode = type(model).encode

    def counted(self, name, inputs, training=False):
        passes.append((name, training))
        return encode(self, name, inputs, training)

    model.encode = counted.__get__(model)
    model.fit(x, y, batch_size=16, verbose=0)
    assert networks.difference(before, [numpy(v) for v in still]) == 0
    # What the modality before gives its head, two batches that TensorFlow
    # traces once; and two passes a step.
    assert 1 <= passes.count(("audio", False)) <= 2
    assert passes.count(("audio", True)) == 0
    assert passes.count(("text", True)) == 4


def test_heads_of_other_widths_are_not_filtered():
    encoders = {
        "audio": keras.layers.Dense(4),
        "text": keras.layers.Dense(6),
    }
    model = kb.IGM(encoders, 3, stage_epochs=1)
    model.compile(optimizer="sgd", run_eagerly=True)
    random = np.random.default_rng(0)
    x = {k: random.normal(size=(16, 3)).astype("float32") for k in encoders}
    history = model.fit(x, np.arange(16) % 3, epochs=2, verbose=0).history
    first, *others = model.filters["text"]
    assert first is None
    assert [f.shape for f in others] == [(256, 256), (64, 64)]
    assert history["text_coefficient"][1] < 1


def test_one_modality_is_not_filtered():
    model = make(("audio",), stage_epochs=1)
    x, y = networks.data(rows=16, modalities=("audio",))
    history = model.fit(x, y, epochs=3, verbose=0).history
    assert history["audio_coefficient"] == [1, 1, 1]
    assert not any("filter" in v.path for v in model.variables)


def test_tokens_are_not_mixed():
    given = {"text": [], "audio": []}

    class Recording(keras.layers.Layer):
        def call(self, x, training=False):
            if training:
                given[self.name.split("_")[0]].append(numpy(x))
            return x

    tokens = keras.Sequential(
        [
            Recording(name="text_recording", dtype="int32"),
            keras.layers.Embedding(5, 4),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )
    audio = keras.Sequential(
        [Recording(name="audio_recording"), keras.layers.Dense(4)]
    )
    model = kb.IGM(
        {"text": tokens, "audio": audio},
        2,
        stage_epochs=1,
        variant="code",
    )
    model.compile(optimizer="sgd", run_eagerly=True)
    random = np.random.default_rng(0)
    x = {
        "text": random.integers(0, 5, (8, 6)).astype("int32"),
        "audio": random.normal(size=(8, 3)).astype("float32"),
    }
    y = np.arange(8) % 2
    history = model.fit(
        x, y, validation_data=(x, y), epochs=2, shuffle=False, verbose=0
    ).history
    assert np.isfinite(history["loss"]).all()
    assert given["text"]
    for seen in given["text"]:
        np.testing.assert_array_equal(seen, x["text"])
    # What can be mixed is.
    moved = [np.abs(seen - x["audio"]).max() for seen in given["audio"]]
    assert max(moved) > 0.01


def test_matrices_are_float32_in_half_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make(stage_epochs=1)
    finally:
        keras.config.set_dtype_policy(before)
    x, y = networks.data(rows=32, modalities=NAMES)
    model.fit(x, y, epochs=3, verbose=0)
    for name in NAMES:
        for matrix in model.filters[name]:
            assert matrix.dtype == "float32"
            value = numpy(matrix)
            np.testing.assert_array_equal(value, value.T)
            values = np.linalg.eigvalsh(value)
            assert np.exp(-0.4) - 1e-4 < values.min() <= values.max() < 1.0001


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"stage_epochs": 0}, "Received: stage_epochs=0"),
        ({"stage_epochs": (2, -1)}, "Received: stage_epochs=-1"),
        ({"stage_epochs": ()}, r"Received: stage_epochs=\(\)"),
        ({"temperature": -1.0}, "Received: temperature=-1.0"),
        ({"rho": "big"}, "Received: rho='big'"),
        ({"variant": "book"}, "Received: variant='book'"),
        ({"heads": True}, "Received: heads=True"),
        ({"fusion": "concat"}, "Received: Concat"),
    ],
)
def test_what_is_refused(arguments, message):
    encoders = {name: networks.encoder(name) for name in NAMES}
    with pytest.raises(ValueError, match=message):
        kb.IGM(encoders, 3, **arguments)


def test_restarts_need_validation_data():
    model = make(restart=True)
    x, y = networks.data(rows=16, modalities=NAMES)
    with pytest.raises(ValueError, match="validation_data=None"):
        model.fit(x, y, verbose=0)
