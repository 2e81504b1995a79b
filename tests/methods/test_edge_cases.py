"""Batches and networks at the edge: never NaN, and what is said instead."""

import keras
import networks
import numpy as np
import pytest
import table
from keras import layers
from keras import ops

import keras_balance as kb

NAMES = ("audio", "text")
ROWS = 16
METHODS = [
    table.Row("joint"),
    table.Row("ogm"),
    table.Row("ogm", {"variant": "code"}),
    table.Row("ogm-ge", {"seed": 1}),
    table.Row("ogm-ge", {"seed": 1, "apply_to": "update"}),
    table.Row("ge", {"seed": 1}),
    table.Row("multi-loss"),
    table.Row("mlb"),
    table.Row("mlb", {"variant": "code"}),
    table.Row("alternating"),
]
MODULATING = [row for row in METHODS if row.slug in ("ogm", "ogm-ge", "mlb")]


@pytest.fixture(params=METHODS, ids=lambda row: row.id)
def row(request):
    return request.param


@pytest.fixture(params=MODULATING, ids=lambda row: row.id)
def modulating(request):
    return request.param


def make(row, **arguments):
    return networks.model(row, modalities=NAMES, eager=True, **arguments)


def step(model, x, y):
    """One step; its logs, and whether every state is finite."""
    logs = model.train_on_batch(x, y, return_dict=True)
    for variable in (*model.variables, *model.optimizer.variables):
        value = ops.convert_to_numpy(variable)
        assert np.isfinite(value).all(), variable.path
    assert all(np.isfinite(v) for v in logs.values()), logs
    return logs


def arrays(variables):
    return [np.array(ops.convert_to_numpy(v)) for v in variables]


def coefficients(logs):
    return [float(logs[f"{name}_coefficient"]) for name in NAMES]


def sure_logits(model, audio, text):
    """Give the modalities fixed logits by their heads' or maps' biases."""
    heads = list(model.heads.values())
    if not heads:
        heads = model.fusion.heads
    for head, logits in zip(heads, (audio, text), strict=True):
        head.kernel.assign(np.zeros(head.kernel.shape))
        head.bias.assign(logits)


def split_arguments(row):
    return {} if row.slug == "mlb" else {"fusion": "sum"}


def test_one_score_of_zero(modulating):
    model = make(modulating, **split_arguments(modulating))
    # exp(-400) is 0 in float32.
    sure_logits(model, [400, 0, 0], [0, 400, 0])
    x, _ = networks.data(rows=ROWS, modalities=NAMES)
    logs = step(model, x, np.zeros(ROWS, "int32"))
    assert logs["audio_score"] == 1 and logs["text_score"] == 0
    if modulating.slug == "mlb":
        expected = [1 - np.tanh(0.8), 2.0]
    else:
        expected = [0.0, 1.0]
    np.testing.assert_allclose(coefficients(logs), expected, atol=1e-6)


def test_all_scores_of_zero(modulating):
    model = make(modulating, **split_arguments(modulating))
    sure_logits(model, [0, 400, 0], [0, 400, 0])
    x, _ = networks.data(rows=ROWS, modalities=NAMES)
    logs = step(model, x, np.zeros(ROWS, "int32"))
    assert logs["audio_score"] == logs["text_score"] == 0
    assert coefficients(logs) == [1, 1]


def test_equal_scores(modulating):
    model = make(modulating, **split_arguments(modulating))
    sure_logits(model, [1, 0, -1], [1, 0, -1])
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    first, second = coefficients(step(model, x, y))
    assert second == 1
    if modulating.arguments.get("variant") == "code" and (
        modulating.slug == "ogm"
    ):
        assert first == pytest.approx(1 - np.tanh(0.8), abs=1e-6)
    else:
        assert first == 1


def test_a_modality_absent_from_the_whole_batch(row):
    model = make(row)
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    x["text"][:] = np.nan
    x["text_present"] = np.zeros(ROWS, bool)
    before = arrays(model.encoders["text"].trainable_variables)
    for _ in range(3):
        logs = step(model, x, y)
    if row in MODULATING:
        assert coefficients(logs) == [1, 1]
        # No row to compare: the scores of such steps do not count.
        assert logs["audio_score"] == logs["text_score"] == 0
    if row.slug in ("joint", "multi-loss", "mlb", "ogm"):
        # Its features are zero whatever its weights: they get no gradient.
        assert logs["text_gradient_norm"] == 0
        after = arrays(model.encoders["text"].trainable_variables)
        assert networks.difference(before, after) == 0


def test_absent_rows_do_not_pull_a_score_down(modulating):
    """A modality that is right wherever it is present is not weak."""
    model = make(modulating, **split_arguments(modulating))
    x, _ = networks.data(rows=ROWS, modalities=NAMES)
    y = np.repeat([0, 1], ROWS // 2).astype("int32")
    x["text_present"] = y == 0
    sure_logits(model, [2, 0, 0], [2, 0, 0])
    logs = step(model, x, y)
    assert logs["audio_score"] == pytest.approx(logs["text_score"])
    assert logs["audio_score"] == pytest.approx(
        np.exp(2) / (np.exp(2) + 2), rel=1e-5
    )


@pytest.mark.parametrize("slug", ["ogm", "ogm-ge", "ge", "mlb"])
def test_one_modality_is_not_balanced(slug):
    plain = {"mlb": "multi-loss"}.get(slug, "joint")
    x, y = networks.data(rows=ROWS, modalities=("audio",))
    trained = []
    for name in (slug, plain):
        model = networks.model(
            table.Row(name),
            modalities=("audio",),
            compile_arguments={"run_eagerly": True},
        )
        logs = model.fit(
            x, y, batch_size=ROWS, shuffle=False, verbose=0
        ).history
        trained.append(arrays(model.trainable_variables))
        assert all(np.isfinite(v).all() for v in logs.values())
        if name == slug:
            assert logs["audio_coefficient"] == [1]
    assert networks.difference(*trained) < 1e-7


def test_alternating_with_one_modality():
    x, y = networks.data(rows=ROWS, modalities=("audio",))
    model = networks.model(table.Row("alternating"), modalities=("audio",))
    logs = model.train_on_batch(x, y, return_dict=True)
    assert np.isfinite(logs["loss"])


def test_variables_of_one_element_get_no_noise():
    """Their deviation is undefined; the others' noise is not disturbed."""
    ones = [table.Row("joint"), table.Row("ge", {"seed": 1})]
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    biases = []
    for row in ones:
        model = kb.methods.create(
            row.slug,
            encoders={name: layers.Dense(1) for name in NAMES},
            num_classes=3,
            **row.arguments,
        )
        model.build({name: (None, *networks.SHAPES[name]) for name in NAMES})
        networks.set_weights(model)
        model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
        step(model, x, y)
        encoder = model.encoders["audio"]
        biases.append([np.array(w) for w in encoder.get_weights()])
    assert networks.difference(biases[0][1:], biases[1][1:]) == 0
    assert networks.difference(biases[0][:1], biases[1][:1]) > 1e-4
