"""A modality of several arrays: it trains as the same numbers in one would."""

import keras
import networks
import numpy as np
import pytest
import table
from keras import layers

import keras_balance as kb
from keras_balance.evaluation.analysis import analyse

# Functional entropy is below. Where every test is compiled, one method that
# runs encoders again on inputs of its own stands for all.
ROWS = tuple(
    row
    for row in table.FIRST
    if row.slug not in ("functional-entropy", "unimodal")
    and (table.QUICK or row.slug == "agm")
)
CUT = 4  # of the six numbers of "audio", in the first array


def split(x):
    """The data with "audio" in two arrays."""
    audio = {"one": x["audio"][:, :CUT], "two": x["audio"][:, CUT:]}
    return {**x, "audio": audio}


def encoder(several):
    """Six numbers -> five features, given in one array or in two."""
    if several:
        inputs = {
            "one": keras.Input((CUT,), name="one"),
            "two": keras.Input((6 - CUT,), name="two"),
        }
        x = layers.Concatenate()([inputs["one"], inputs["two"]])
    else:
        inputs = x = keras.Input((6,))
    x = layers.Dense(8, activation="tanh")(x)
    return keras.Model(inputs, layers.Dense(5)(x))


def trained(row, several):
    x, y = networks.data(rows=32)
    x["audio_present"] = np.arange(32) % 3 != 0
    x = split(x) if several else x
    model = kb.methods.create(
        row.slug,
        encoders={
            "audio": encoder(several),
            "visual": networks.encoder("visual", normalize=False),
        },
        num_classes=networks.CLASSES,
        **row.arguments,
    )
    shape = {"one": (None, CUT), "two": (None, 6 - CUT)}
    model.build(
        {
            "audio": shape if several else (None, 6),
            "visual": (None, *networks.SHAPES["visual"]),
        }
    )
    networks.set_weights(model)
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        metrics=["accuracy"],
        run_eagerly=True,
    )
    model.fit(
        x,
        y,
        validation_data=(x, y),
        batch_size=16,
        epochs=max(2, model.epochs_before_own() + 1),
        shuffle=False,
        verbose=0,
    )
    return model, (x, y)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_several_arrays_train_as_one(row):
    one, (x, y) = trained(row, several=False)
    several, (xs, _) = trained(row, several=True)
    # Of the optimizer's too.
    assert (
        networks.difference(networks.weights(one), networks.weights(several))
        < 1e-6
    )
    np.testing.assert_allclose(
        one.predict(x, verbose=0), several.predict(xs, verbose=0), atol=1e-6
    )
    assert one.evaluate(x, y, verbose=0) == pytest.approx(
        several.evaluate(xs, y, verbose=0), rel=1e-5
    )


def test_functional_entropy_says_what_it_needs():
    with pytest.raises(ValueError, match="'audio' of several arrays. Move"):
        trained(table.Row("functional-entropy"), several=True)


def test_the_analysis_is_that_of_one_array():
    found = []
    for several in (False, True):
        model, data = trained(table.Row("joint"), several)
        parts = dict.fromkeys(("train", "validation", "test"), data)
        outputs = {
            name: kb.evaluation.outputs(model, part)
            for name, part in parts.items()
        }
        found.append((analyse(model, parts, outputs), outputs["test"]))
    (one, one_outputs), (several, outputs) = found
    assert outputs.keys() == one_outputs.keys()
    for key, value in outputs.items():
        np.testing.assert_allclose(value, one_outputs[key], atol=1e-5)
    for name in ("shapley", "masked", "probes"):
        assert _flat(several[name]) == pytest.approx(_flat(one[name]), abs=1e-6)
    curves = several["robustness"]
    assert curves["audio"]["noise"] == []
    assert curves["visual"] == one["robustness"]["visual"]
    assert curves["audio"]["missing"] == one["robustness"]["audio"]["missing"]


def _flat(tree):
    return [x for x in keras.tree.flatten(tree) if isinstance(x, float)]


# Tokens and their mask --------------------------------------------------------


def text_encoder():
    """The mean embedding of the tokens that the mask names, then dense."""
    tokens = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="bool", name="padding_mask")
    x = layers.Embedding(20, 6)(tokens)
    x = layers.GlobalAveragePooling1D()(x, mask=mask)
    inputs = {"token_ids": tokens, "padding_mask": mask}
    return keras.Model(inputs, layers.Dense(4)(x))


def text_data(rows=24):
    random = np.random.default_rng(3)
    lengths = random.integers(1, 7, rows)
    x = {
        "text": {
            "token_ids": random.integers(0, 20, (rows, 7)).astype("int32"),
            "padding_mask": np.arange(7) < lengths[:, None],
        },
        "audio": random.normal(size=(rows, 6)).astype("float32"),
        "text_present": np.arange(rows) % 4 != 1,
    }
    return x, (np.arange(rows) % 3).astype("int32")


def text_model(method=kb.JointTraining, **arguments):
    model = method(
        {"text": text_encoder(), "audio": networks.encoder("audio")},
        networks.CLASSES,
        **arguments,
    )
    model.compile(keras.optimizers.Adam(0.02), metrics=["accuracy"])
    return model


@pytest.mark.parametrize("method", [kb.PMR, kb.AGM], ids=lambda m: m.__name__)
def test_tokens_and_their_mask(method, tmp_path):
    keras.utils.set_random_seed(0)
    model, (x, y) = text_model(method), text_data()
    # An absent row has a mask of zeros: no mean is defined there.
    x["text"]["padding_mask"][~x["text_present"]] = False
    history = model.fit(x, y, batch_size=8, epochs=8, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0]
    logits = model.predict(x, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), logits, atol=1e-6)
    # Padding beyond the mask changes nothing.
    x["text"]["token_ids"] = np.where(
        x["text"]["padding_mask"], x["text"]["token_ids"], 7
    ).astype("int32")
    np.testing.assert_allclose(model.predict(x, verbose=0), logits, atol=1e-6)


class Batches(keras.utils.PyDataset):
    """Batches of structured inputs."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(8 * index, 8 * index + 8)
        x = keras.tree.map_structure(lambda a: a[rows], self.x)
        return x, self.y[rows]


def test_batches_train_as_arrays():
    weights = []
    for batched in (False, True):
        x, y = text_data()
        model = text_model()
        model.build(
            {
                "text": {
                    "token_ids": (None, 7),
                    "padding_mask": (None, 7),
                },
                "audio": (None, 6),
            }
        )
        networks.set_weights(model)
        data = (Batches(x, y),) if batched else (x, y)
        model.fit(*data, batch_size=8, shuffle=False, verbose=0)
        weights.append(networks.weights(model))
    assert networks.difference(*weights) < 1e-6


def test_a_list_of_arrays():
    one, two = keras.Input((4,)), keras.Input((2,))
    x = layers.Concatenate()([one, two])
    model = kb.JointTraining(
        {
            "audio": keras.Model([one, two], layers.Dense(5)(x)),
            "visual": networks.encoder("visual"),
        },
        networks.CLASSES,
    )
    model.compile("sgd")
    x, y = networks.data(rows=16)
    x["audio"] = [x["audio"][:, :4], x["audio"][:, 4:]]
    model.fit(x, y, verbose=0)
    assert model.predict(x, verbose=0).shape == (16, 3)


def test_a_leaf_is_named():
    model, (x, y) = text_model(), text_data()
    x["text"]["pitch"] = np.full((24, 2), np.nan, "float32")
    with pytest.raises(ValueError, match=r"x\['text'\]\['pitch'\] with NaN"):
        model.fit(x, y, verbose=0)


def test_summary_names_encoders_by_modality():
    model, (x, y) = text_model(), text_data()
    model.fit(x, y, verbose=0)
    names = [layer.name for layer in model.encoders.values()]
    lines = []
    model.summary(print_fn=lambda line, *a, **k: lines.append(line))
    text = "\n".join(map(str, lines))
    assert "text (" in text and "audio (" in text
    assert [layer.name for layer in model.encoders.values()] == names
