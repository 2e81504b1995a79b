"""Keras masks reach the encoder, whatever a method does to its input."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_balance as kb
from keras_balance.evaluation import masking
from keras_balance.models import masks

ROWS, LENGTH, WIDTH = 12, 5, 3


def make(slug="joint", **arguments):
    """Text of varying length, padded with zeros that a layer masks."""
    keras.utils.set_random_seed(2)
    text = keras.Sequential(
        [layers.Dense(WIDTH), layers.GlobalAveragePooling1D()]
    )
    dense = keras.Sequential([layers.Dense(WIDTH)])
    model = kb.methods.create(
        slug,
        encoders={"text": text, "audio": dense},
        num_classes=2,
        preprocessing={"text": layers.Masking()},
        **arguments,
    )
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    return model


def data(marked):
    random = np.random.default_rng(0)
    x = {
        "text": random.normal(size=(ROWS, LENGTH, 2)).astype("float32"),
        "audio": random.normal(size=(ROWS, 2)).astype("float32"),
    }
    x["text"][np.arange(ROWS) % 2 == 0, 2:] = 0.0
    if marked:
        x["text_present"] = np.ones(ROWS, bool)
    return x, np.arange(ROWS) % 2


def test_presence_marks_change_nothing():
    model = make()
    plain, _ = data(marked=False)
    marked, _ = data(marked=True)
    np.testing.assert_allclose(
        model.predict(plain, verbose=0),
        model.predict(marked, verbose=0),
        atol=1e-6,
    )


def test_the_encoder_averages_what_is_not_padding():
    model = make()
    x, y = data(marked=True)
    found = kb.evaluation.outputs(model, (x, y))["features/text"]
    kernel, bias = model.encoders["text"].get_weights()
    for row, features in zip(x["text"], found, strict=True):
        kept = row[np.any(row != 0, axis=-1)]
        expected = (kept @ kernel + bias).mean(axis=0)
        np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("slug", "arguments"),
    [
        ("functional-entropy", {"weight": 1.0, "samples": 2}),
        ("igm", {"variant": "code", "stage_epochs": 1}),
        ("agm", {}),
        ("umt", {"teacher_epochs": 1}),
    ],
)
def test_what_padding_holds_does_not_train(slug, arguments):
    """Masked steps count nowhere, also where noise or a mixture is added."""
    found = []
    for repeats in (1, 3):
        model = make(slug, **arguments)
        x, y = data(marked=True)
        # More padding is the same text.
        x["text"] = np.pad(x["text"], ((0, 0), (0, 2 * repeats), (0, 0)))
        model.fit(
            x,
            y,
            validation_data=(x, y),
            epochs=2,
            shuffle=False,
            verbose=0,
            batch_size=6,
        )
        found.append(model.encoders["text"].get_weights())
    if slug == "functional-entropy":
        # The noise differs with the shape that it is drawn in.
        assert all(np.isfinite(w).all() for w in found[0])
        return
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_noise_keeps_the_mask():
    seen = []

    @keras.saving.register_keras_serializable("test_masks")
    class Pool(layers.GlobalAveragePooling1D):
        def call(self, x, mask=None):
            seen.append(mask is not None)
            return super().call(x, mask=mask)

    model = kb.methods.create(
        "functional-entropy",
        encoders={
            "text": keras.Sequential([Pool()]),
            "audio": keras.Sequential([layers.Dense(WIDTH)]),
        },
        num_classes=2,
        preprocessing={"text": layers.Masking()},
    )
    model.compile(optimizer="sgd", run_eagerly=True)
    x, y = data(marked=True)
    model.fit(x, y, verbose=0)
    # Building knows no mask; the pass and that of the noise do.
    assert len(seen) >= 2 and all(seen[-2:])


def test_masking_a_modality_keeps_the_mask_of_the_others():
    model = make()
    x, y = data(marked=True)
    outputs = kb.evaluation.outputs(model, (x, y))
    shown = masking.masked_features(model, (x, y), ("text", "audio"))
    np.testing.assert_allclose(
        shown["text"], outputs["features/text"], atol=1e-6
    )


def test_like_repeats_a_mask():
    x = np.array([[[1.0], [0.0]], [[1.0], [1.0]]], "float32")
    source = layers.Masking()(x)
    average = layers.GlobalAveragePooling1D()
    twice = masks.like(ops.repeat(source + 1.0, 2, axis=0), source, 2)
    found = ops.convert_to_numpy(average(twice))[:, 0]
    np.testing.assert_allclose(found, [2.0, 2.0, 2.0, 2.0])
    without = ops.convert_to_numpy(average(ops.repeat(source + 1.0, 2, 0)))
    np.testing.assert_allclose(without[:, 0], [1.5, 1.5, 2.0, 2.0])
