"""Data and networks at the edge, for every method: never NaN, never stuck."""

import keras
import networks
import numpy as np
import pytest
import table

import keras_balance as kb

NAMES = ("audio", "text")
ROWS = 8


@pytest.fixture(params=table.SOME, ids=lambda row: row.id)
def row(request):
    return request.param


def make(row, modalities=NAMES, frozen=()):
    """An eager model: every case would be compiled for a step or two."""
    encoders = {name: networks.encoder(name) for name in modalities}
    for name in frozen:
        encoders[name].trainable = False
    model = kb.methods.create(
        row.slug,
        encoders=encoders,
        num_classes=networks.CLASSES,
        **row.arguments,
    )
    model.build({name: (None, *networks.SHAPES[name]) for name in modalities})
    networks.set_weights(model)
    model.compile(
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9), run_eagerly=True
    )
    return model


def fit(model, x, y, batch_size=ROWS):
    """Trains through all phases; everything must stay finite."""
    history = model.fit(
        x,
        y,
        validation_data=(x, y),
        batch_size=batch_size,
        epochs=max(2, len(model.phases)),
        shuffle=False,
        verbose=0,
    ).history
    for variable in (*model.variables, *model.optimizer.variables):
        value = networks.numpy(variable)
        assert np.isfinite(value).all(), variable.path
    for name, values in history.items():
        assert np.isfinite(values).all(), name
    assert np.isfinite(model.predict(x, verbose=0)).all()
    return history


def test_a_modality_absent_everywhere(row):
    model = make(row)
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    x["text"][:] = np.nan
    x["text_present"] = np.zeros(ROWS, bool)
    fit(model, x, y)


def test_a_last_batch_of_one(row):
    x, y = networks.data(rows=ROWS + 1, modalities=NAMES)
    fit(make(row), x, y)


def test_batches_of_one(row):
    x, y = networks.data(rows=3, modalities=NAMES)
    fit(make(row), x, y, batch_size=1)


def test_a_class_without_rows(row):
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    fit(make(row), x, np.minimum(y, 1))


def test_inputs_that_are_all_equal(row):
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    x = {name: np.zeros_like(value) for name, value in x.items()}
    fit(make(row), x, y)


def test_predictions_that_are_all_sure_and_wrong(row):
    model = make(row)
    # exp(-400) is 0 in float32, and so is every score.
    heads = [*model.heads.values(), *getattr(model.fusion, "heads", [])]
    heads += [getattr(model.fusion, "head", None)]
    for head in filter(None, heads):
        head.kernel.assign(np.zeros(head.kernel.shape))
        head.bias.assign([0, 400, 0])
    x, _ = networks.data(rows=ROWS, modalities=NAMES)
    fit(model, x, np.zeros(ROWS, "int32"))


# Fusions other than a method's own may need two.
@pytest.mark.parametrize(
    "row",
    [row for row in table.SOME if "fusion" not in row.arguments],
    ids=lambda row: row.id,
)
def test_one_modality(row):
    x, y = networks.data(rows=ROWS, modalities=("audio",))
    history = fit(make(row, modalities=("audio",)), x, y)
    for key, values in history.items():
        if key.endswith("_coefficient"):
            assert np.isin(values, [0, 1]).all(), (key, values)


def test_a_frozen_encoder_stands_still(row):
    if row.slug == "unimodal":
        frozen, moving = "text", "audio"
    else:
        frozen, moving = "audio", "text"
    model = make(row, frozen=(frozen,))
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    encoders = [
        model.encoders[name]
        for name in (frozen, moving)
        if name in model.encoders
    ]
    before = [[np.array(w) for w in e.get_weights()] for e in encoders]
    fit(model, x, y)
    after = [e.get_weights() for e in encoders]
    assert networks.difference(before[-1], after[-1]) > 0
    if len(encoders) > 1:
        assert networks.difference(before[0], after[0]) == 0


def test_nothing_is_left_to_train(row):
    model = make(row)
    model.trainable = False
    model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
    before = [networks.numpy(v) for v in model.weights]
    x, y = networks.data(ROWS, NAMES)
    history = model.fit(
        x, y, validation_data=(x, y), epochs=len(model.phases), verbose=0
    ).history
    assert np.isfinite(history["loss"]).all()
    kept = {id(v) for e in model.encoders.values() for v in e.weights}
    for v, old in zip(model.weights, before, strict=True):
        if id(v) in kept:
            np.testing.assert_array_equal(networks.numpy(v), old)
