"""What a user reads whose data is broken, before training or after an epoch."""

import re

import keras
import numpy as np
import pytest


def refuses(message, function, *args, **kwargs):
    with pytest.raises(ValueError, match=re.escape(message)):
        function(*args, verbose=0, **kwargs)


def with_label(y, value, dtype=None):
    y = y.astype(dtype or y.dtype)
    y[[2, 11]] = value
    return y


@pytest.mark.parametrize(
    "value,dtype,message",
    [
        (3, "int32", "integers from 0 to 2. Received: y with 2 others, the "
         "first being y[2]=3"),
        (-1, "int64", "y[2]=-1"),
        (255, "uint8", "y[2]=255"),
        (2**32, "int64", "y[2]=4294967296"),
        (0.5, "float32", "y[2]=0.5"),
        (np.nan, "float64", "y[2]=nan"),
        (np.inf, "float32", "y[2]=inf"),
    ],
)  # fmt: skip
def test_labels_in_arrays(value, dtype, message, make, data):
    x, y = data()
    model = make()
    refuses(message, model.fit, x, with_label(y, value, dtype))
    assert not model.built
    column = with_label(y, value, dtype)[:, None]
    refuses(message, model.fit, x, column)
    broken = (x, with_label(y, value, dtype))
    refuses(message, model.fit, x, y, validation_data=broken)


@pytest.mark.parametrize(
    "slug,value,dtype",
    [
        ("joint", 3, "int32"),
        ("ogm", -1, "int64"),
        ("alternating", 0.5, "float32"),
        ("unimodal", np.nan, "float32"),
    ],
)
def test_labels_that_are_read_later(slug, value, dtype, make, data, batches):
    """Counted in the step, on every backend, and raised after the epoch."""
    x, y = data()
    model = make(slug, **({"modality": "audio"} if slug == "unimodal" else {}))
    good, bad = batches(x, y), batches(x, with_label(y, value, dtype))
    message = "from 0 to 2. Received: 2 others in "
    refuses(message + "epoch 1.", model.fit, bad)
    refuses(message + "epoch 4.", model.fit, bad, epochs=9, initial_epoch=3)
    refuses(message + "epoch 1.", model.fit, good, validation_data=bad)
    refuses(message + "evaluation.", model.evaluate, bad)
    # Nothing is left of it.
    assert np.isfinite(model.fit(good, verbose=0).history["loss"]).all()
    assert np.isfinite(model.evaluate(good, verbose=0)).all()


def test_labels_of_evaluation_in_arrays(make, data):
    x, y = data()
    message = "Received: 2 others in evaluation."
    refuses(message, make().evaluate, x, with_label(y, 7))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_whole_labels_of_any_type(dtype, make, data, batches):
    x, y = data()
    histories = []
    for labels in (y, y.astype(dtype), y.astype(dtype)[:, None]):
        model = make()
        model.build({"visual": (None, 4), "audio": (None, 5)})
        for i, v in enumerate(model.trainable_variables):
            draw = np.random.default_rng(i).normal(size=v.shape)
            v.assign(draw.astype("float32"))
        source = batches(x, labels)
        history = model.fit(source, shuffle=False, verbose=0).history
        histories.append(history)
    assert histories[0] == histories[1] == histories[2]


@pytest.mark.parametrize("later", [False, True], ids=["arrays", "dataset"])
@pytest.mark.parametrize(
    "shape,message",
    [
        (
            (16, 2),
            "Labels must be class indices of shape (batch,) or one-hot rows "
            "of shape (batch, 3). Received: y.shape=",
        ),
        ((16, 4, 1), "Multi-label and regression targets are not supported"),
        ((16, 3, 1), "Multi-label and regression targets are not supported"),
    ],
)
def test_labels_of_another_shape(later, shape, message, make, data, batches):
    x, _ = data()
    y = np.zeros(shape, "float32")
    if later:
        refuses(message, make().fit, batches(x, y))
    else:
        refuses(message, make().fit, x, y)


def test_labels_of_text(make, data):
    x, y = data()
    names = np.array(["cat", "dog", "cow"])[y]
    message = "from 0 to 2. Received: y of type U3. Number the classes."
    refuses(message, make().fit, x, names)


@pytest.mark.parametrize("later", [False, True], ids=["arrays", "dataset"])
def test_labels_that_are_missing(later, make, data, batches):
    x, _ = data()
    message = (
        "Training needs labels: pass y, or data that yields (x, y). Received: "
        "y=None"
    )
    given = batches(x) if later else x
    refuses(message, make().fit, given)
    refuses(message, make().evaluate, given)


def test_one_hot_labels_that_are_none(make, data, batches):
    x, y = data()
    one_hot = np.eye(3, dtype="float32")[y]
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model = make(compiled={"loss": loss})
    model.fit(x, one_hot, verbose=0)
    one_hot[4, 1] = np.nan
    message = "Labels must be integers from 0 to 2. Received: "
    refuses(message + "y with 1 others", model.fit, x, one_hot)
    refuses(message + "1 others in epoch 1", model.fit, batches(x, one_hot))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite(value, make, data, batches):
    x, y = data()
    good = dict(x)
    x["audio"] = x["audio"].copy()
    x["audio"][[5, 9], 0] = value
    message = (
        "Inputs must be finite. Received: x['audio'] with NaN or inf in 2 of "
        "16 rows, the first being row 5. If the modality is missing there, "
        "mark the rows with x['audio_present']."
    )
    model = make()
    refuses(message, model.fit, x, y)
    refuses(message, model.fit, good, y, validation_data=(x, y))
    x["audio_present"] = np.isfinite(x["audio"]).all(axis=1)
    history = make().fit(x, y, epochs=2, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())


def test_losses_that_are_not_finite(make, data, batches):
    """Inputs that are read later show in the loss."""
    x, y = data()
    good = batches(dict(x), y)
    x["audio"] = x["audio"].copy()
    x["audio"][9, 0] = np.nan
    bad = batches(x, y)
    message = (
        "The loss was NaN or infinite in {} batches in {}. Look for NaN or "
        "infinite inputs, or lower the learning rate."
    )
    refuses(message.format(1, "evaluation"), make().evaluate, bad)
    refuses(message.format(1, "epoch 1"), make().fit, good, validation_data=bad)
    refuses(
        message.format(1, "epoch 1"), make().fit, bad, shuffle=False, epochs=3
    )
    diverging = make(optimizer=keras.optimizers.SGD(3e38))
    with pytest.raises(ValueError, match="The loss was NaN or infinite in"):
        diverging.fit(*data(), batch_size=4, epochs=9, verbose=0)


NAMES = (
    "Inputs must be a dict with the modalities ['visual', 'audio'], the names "
    "of the encoders. Received: "
)


@pytest.mark.parametrize("later", [False, True], ids=["arrays", "dataset"])
@pytest.mark.parametrize(
    "change,message",
    [
        (lambda x: {"visual": x["visual"]}, "['visual']"),
        (
            lambda x: {"visual": x["visual"], "sound": x["audio"]},
            "['sound', 'visual']",
        ),
        (lambda x: x["visual"], ""),
        (lambda x: (x["visual"], x["audio"]), ""),
    ],
    ids=["missing", "renamed", "array", "tuple"],
)
def test_names_that_do_not_match(later, change, message, make, data, batches):
    x, y = data()
    x = change(x)
    fit = make().fit
    if later:
        refuses(NAMES + message, fit, batches(x, y))
    else:
        refuses(NAMES + message, fit, x, y)
    built = make()
    built.build({"visual": (None, 4), "audio": (None, 5)})
    with pytest.raises(ValueError, match=re.escape(NAMES + message)):
        built.predict(x, verbose=0)


def test_more_inputs_than_modalities_are_ignored(make, data):
    x, y = data()
    make().fit({**x, "text": np.zeros((16, 2))}, y, verbose=0)


@pytest.mark.parametrize("kind", ["dataset", "generator"])
def test_other_sources(kind, make, data):
    """tf.data and generators are checked as they are read."""
    x, y = data()

    def source(labels):
        if kind == "generator":
            rows = range(0, 16, 8)
            return (
                ({k: v[i : i + 8] for k, v in x.items()}, labels[i : i + 8])
                for i in rows
            )
        tf = pytest.importorskip("tensorflow")
        return tf.data.Dataset.from_tensor_slices((x, labels)).batch(8)

    model = make()
    model.fit(source(y), verbose=0)
    refuses("2 others in epoch 1", model.fit, source(with_label(y, 5)))


def test_presence_may_be_a_column(make, data):
    """As `(batch, 1)` it means what it means as `(batch,)`."""
    x, y = data()
    present = np.arange(16) % 3 != 0
    histories = []
    for column in (present, present[:, None], present.astype("float32")):
        model = make("mlb")
        model.build({"visual": (None, 4), "audio": (None, 5)})
        for i, v in enumerate(model.trainable_variables):
            draw = np.random.default_rng(i).normal(size=v.shape)
            v.assign(draw.astype("float32"))
        inputs = {**x, "audio_present": column}
        histories.append(model.fit(inputs, y, shuffle=False, verbose=0).history)
    assert histories[0] == histories[1] == histories[2]
