"""Data and networks at the edge: never NaN, never stuck."""

import keras
import numpy as np

from keras_balance import methods
from keras_balance.testing import expect
from keras_balance.testing import networks

NAMES = ("audio", "text")
ROWS = 8


def _make(row, modalities=NAMES, frozen=()):
    """An eager model: every case would be compiled for a step or two."""
    encoders = {name: networks.encoder(name) for name in modalities}
    for name in frozen:
        encoders[name].trainable = False
    model = methods.create(
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


def _fit(model, x, y, batch_size=ROWS):
    """Trains through all phases; everything must stay finite."""
    history = networks.fit(
        model,
        (x, y),
        validation_data=(x, y),
        batch_size=batch_size,
        epochs=max(2, len(model.phases)),
    )
    for variable in (*model.variables, *model.optimizer.variables):
        expect.finite({variable.path: networks.numpy(variable)})
    expect.finite(history)
    expect.finite({"predictions": model.predict(x, verbose=0)})
    return history


def a_modality_absent_everywhere(row):
    model = _make(row)
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    x["text"][:] = np.nan
    x["text_present"] = np.zeros(ROWS, bool)
    _fit(model, x, y)


def a_last_batch_of_one(row):
    x, y = networks.data(rows=ROWS + 1, modalities=NAMES)
    _fit(_make(row), x, y)


def batches_of_one(row):
    x, y = networks.data(rows=3, modalities=NAMES)
    _fit(_make(row), x, y, batch_size=1)


def a_class_without_rows(row):
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    _fit(_make(row), x, np.minimum(y, 1))


def inputs_that_are_all_equal(row):
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    _fit(_make(row), {k: np.zeros_like(v) for k, v in x.items()}, y)


def predictions_that_are_all_sure_and_wrong(row):
    model = _make(row)
    # exp(-400) is 0 in float32, and so is every score.
    heads = [*model.heads.values(), *getattr(model.fusion, "heads", [])]
    heads += [getattr(model.fusion, "head", None)]
    for head in filter(None, heads):
        head.kernel.assign(np.zeros(head.kernel.shape))
        head.bias.assign([0, 400, 0])
    x, _ = networks.data(rows=ROWS, modalities=NAMES)
    _fit(model, x, np.zeros(ROWS, "int32"))


def one_modality(row):
    # Fusions other than a method's own may need two.
    if "fusion" in row.arguments:
        return
    x, y = networks.data(rows=ROWS, modalities=("audio",))
    history = _fit(_make(row, modalities=("audio",)), x, y)
    for key, values in history.items():
        if key.endswith("_coefficient"):
            expect.true(np.isin(values, [0, 1]).all(), f"{key} is {values}")


def a_frozen_encoder_stands_still(row):
    frozen, moving = "audio", "text"
    if row.arguments.get("modality") == frozen:
        frozen, moving = moving, frozen
    model = _make(row, frozen=(frozen,))
    x, y = networks.data(rows=ROWS, modalities=NAMES)
    encoders = {
        n: model.encoders[n] for n in (frozen, moving) if n in model.encoders
    }
    before = {n: _copies(e) for n, e in encoders.items()}
    _fit(model, x, y)
    for name, encoder in encoders.items():
        moved = networks.difference(before[name], _copies(encoder))
        expect.true((moved > 0) == (name == moving), f"{name} moved by {moved}")


def _copies(layer):
    return [networks.numpy(v) for v in layer.weights]


def nothing_is_left_to_train(row):
    model = _make(row)
    model.trainable = False
    model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
    encoders = list(model.encoders.values())
    before = [value for e in encoders for value in _copies(e)]
    x, y = networks.data(ROWS, NAMES)
    history = networks.fit(
        model, (x, y), validation_data=(x, y), epochs=len(model.phases)
    )
    expect.finite({"loss": history["loss"]})
    after = [value for e in encoders for value in _copies(e)]
    expect.close(before, after, 0, "weights of frozen encoders")


CHECKS = (
    a_modality_absent_everywhere,
    a_last_batch_of_one,
    batches_of_one,
    a_class_without_rows,
    inputs_that_are_all_equal,
    predictions_that_are_all_sure_and_wrong,
    one_modality,
    a_frozen_encoder_stands_still,
    nothing_is_left_to_train,
)
