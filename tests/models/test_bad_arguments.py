"""What a user reads who constructs or compiles a model wrongly."""

import re

import keras
import pytest

import keras_balance as kb

SHARED = keras.layers.Dense(4)
LAYERS = {"audio": keras.layers.Dense(4), "visual": keras.layers.Dense(4)}


def refuses(message, function, *args, **kwargs):
    with pytest.raises(ValueError, match=re.escape(message)):
        function(*args, **kwargs)


@pytest.mark.parametrize(
    "bad,message",
    [
        ([SHARED], "encoders must be a dict from modality names to Keras lay"),
        ({}, "encoders must be a dict from modality names to Keras layers"),
        (None, "such as {'audio': audio_encoder, 'visual': visual_encoder}"),
        ({"audio": "resnet18"}, "Received: 'audio': 'resnet18'"),
        ({"audio": abs}, "Received: 'audio': <built-in function abs>"),
        ({0: SHARED}, "modality names to Keras layers. Received: 0: <Dense"),
        (
            {"audio": SHARED, "visual": SHARED},
            "Each modality must have an encoder of its own. Received: the "
            "same layer more than once in encoders=['audio', 'visual']",
        ),
    ],
)
@pytest.mark.parametrize("slug", ["joint", "ogm", "unimodal"])
def test_encoders(slug, bad, message):
    arguments = {"modality": "audio"} if slug == "unimodal" else {}
    refuses(message, kb.methods.create, slug, encoders=bad, num_classes=3,
            **arguments)  # fmt: skip


@pytest.mark.parametrize("bad", [1, 0, -3, 2.0, "3", None, True])
def test_num_classes(bad):
    refuses(
        f"num_classes must be an integer of at least 2. Received: "
        f"num_classes={bad!r}",
        kb.JointTraining,
        LAYERS,
        bad,
    )


@pytest.mark.parametrize(
    "slug,arguments,message",
    [
        ("joint", {"fusion": "conct"}, "fusion='conct'. Did you mean 'concat'"),
        ("joint", {"fusion": "GATED"}, "Did you mean 'gated'?"),
        ("joint", {"fusion": 3}, "fusion must be one of concat, sum, film"),
        ("joint", {"fusion": SHARED}, "or a keras_balance.fusions layer"),
        (
            "joint",
            {"preprocessing": {"audo": SHARED}},
            "preprocessing must name modalities of encoders ['audio', "
            "'visual']. Received: preprocessing for ['audo']",
        ),
        (
            "ogm",
            {"fusion": "gated"},
            "OGM compares unimodal logits, and the fusion 'Gated' has none. "
            "Pass heads=True for dedicated unimodal heads, or use "
            "fusion='concat' or 'sum'.",
        ),
        ("ogm-ge", {"fusion": "film"}, "Pass heads=True"),
        ("ogm", {"alpha": -1}, "alpha must be a finite number of at least 0"),
        ("ogm", {"alpha": float("nan")}, "Received: alpha=nan"),
        ("ogm", {"alpha": "0.8"}, "Received: alpha='0.8'"),
        ("ogm", {"window": (5, 2)}, "window must be (first, last) with 0 <="),
        ("ogm", {"window": 50}, "Received: window=50"),
        ("ogm", {"window": (-1, 2)}, "Received: window=(-1, 2)"),
        ("ogm", {"window": (0, "b")}, "Received: window=(0, 'b')"),
        ("ogm", {"variant": "papr"}, "variant must be one of ('paper', 'code"),
        ("mlb", {"variant": None}, "Received: variant=None"),
        ("ogm", {"apply_to": "weights"}, "apply_to must be one of ('gradient"),
        (
            "mlb",
            {"beta_max": 0.5},
            "beta_max must be a finite number of at least 1",
        ),
        (
            "alternating",
            {"granularity": "step"},
            "granularity must be one of ('batch', 'epoch', 'stage')",
        ),
        ("alternating", {"stage_epochs": 0}, "Received: stage_epochs=0"),
        ("alternating", {"heads": True}, "Received: heads=True"),
        *(
            (slug, {"heads": False}, "Received: heads=False")
            for slug in kb.methods.names()
            if kb.methods.get(slug).defaults.get("heads")
        ),
        (
            "alternating",
            {"fusion": "concat"},
            "needs a fusion in which no two modalities share a parameter, "
            "fusion='sum', or one head for all, fusion='shared'. Received: "
            "Concat",
        ),
        (
            "unimodal",
            {"modality": "text"},
            "modality must be one of ['audio', 'visual']. Received: "
            "modality='text'",
        ),
    ],
)
def test_arguments_of_methods(slug, arguments, message):
    refuses(
        message,
        kb.methods.create,
        slug,
        encoders=LAYERS,
        num_classes=3,
        **arguments,
    )


def test_unknown_methods_name_the_nearest():
    refuses(
        "Received: method='ogmge'. Did you mean 'ogm-ge'?",
        kb.methods.create,
        "ogmge",
        encoders=LAYERS,
        num_classes=3,
    )
    refuses("method must be one of joint, unimodal", kb.methods.get, "zzz")
    with pytest.raises(AttributeError):
        kb.OGMGG  # noqa: B018


def test_a_fusion_of_other_classes():
    fusion = kb.fusions.Concat(num_classes=5)
    refuses(
        "The fusion must have the model's 3 classes. Received: "
        "fusion.num_classes=5",
        kb.JointTraining,
        LAYERS,
        3,
        fusion=fusion,
    )


@pytest.mark.parametrize("fusion", ["film", "gated"])
def test_fusions_of_two_modalities_and_more(fusion):
    refuses(
        "needs at least 2 modalities. Received: ['audio']",
        kb.JointTraining,
        {"audio": keras.layers.Dense(4)},
        3,
        fusion=fusion,
    )


LOSSES = keras.losses


@pytest.mark.parametrize(
    "loss,message",
    [
        ("sparse_categorical_crossentropy", "given by name expects probab"),
        ("categorical_crossentropy", "given by name expects probabilities"),
        (LOSSES.SparseCategoricalCrossentropy(), "must have from_logits=True"),
        (LOSSES.CategoricalCrossentropy(), "must have from_logits=True"),
        (LOSSES.CategoricalFocalCrossentropy(), "must have from_logits=True"),
        (LOSSES.sparse_categorical_crossentropy, "must have from_logits=True"),
        (LOSSES.KLDivergence(), "returns logits"),
        ("kl_divergence", "returns logits"),
        ("mse", "Regression is not supported, classification is"),
        ("mean_absolute_error", "Regression is not supported"),
        ("huber", "Regression is not supported"),
        (LOSSES.MeanSquaredError(), "Regression is not supported"),
        (LOSSES.mean_squared_error, "Regression is not supported"),
        (LOSSES.LogCosh(), "Regression is not supported"),
        ("binary_crossentropy", "Multi-label problems are not supported"),
        (
            LOSSES.BinaryCrossentropy(from_logits=True),
            "Multi-label problems are not supported",
        ),
        (LOSSES.binary_crossentropy, "Multi-label problems are not supported"),
        (None, "loss must be one loss for the fused logits. Received: loss="),
        (["auto", "auto"], "loss must be one loss for the fused logits"),
        ({"audio": "auto"}, "loss must be one loss for the fused logits"),
        ("crossentropi", "crossentropi"),
    ],
    ids=str,
)
def test_losses(loss, message, make):
    refuses(message, make, compiled={"loss": loss})


def test_the_message_says_what_to_use(make):
    refuses(
        "Use loss='auto', which is the cross-entropy of logits for integer "
        "and for one-hot labels, or another classification loss with "
        "from_logits=True.",
        make,
        compiled={"loss": "mse"},
    )


@pytest.mark.parametrize("slug", ["ogm", "mlb"])
def test_scaled_updates_have_no_moving_average(slug, make):
    optimizer = keras.optimizers.SGD(0.1, use_ema=True)
    for one in (optimizer, kb.optimizers.CoupledWeightDecay(optimizer, 0.1)):
        refuses(
            "apply_to='update' cannot be combined with a moving average of "
            "the weights, which would hold the full steps. Received: "
            "use_ema=True. Use apply_to='gradient'",
            make,
            slug,
            optimizer=one,
            apply_to="update",
        )
        make(slug, optimizer=one, apply_to="gradient")


@pytest.mark.parametrize(
    "optimizer", ["adam", "AdamW", "rmsprop", "lion", "adagrad"]
)
def test_magnitude_alone_does_nothing_under_adam(optimizer, make, recwarn):
    with pytest.warns(UserWarning, match="Use apply_to='update' or SGD"):
        make("ogm", optimizer=optimizer)
    inner = keras.optimizers.get(optimizer)
    decayed = kb.optimizers.CoupledWeightDecay(inner, 0.1)
    with pytest.warns(UserWarning, match="divides by their size"):
        make("ogm", optimizer=decayed)
    recwarn.clear()
    make("ogm", optimizer="sgd")
    make("ogm", optimizer=optimizer, apply_to="update")
    make("joint", optimizer=optimizer)
    assert not [w for w in recwarn if "apply_to" in str(w.message)]


def test_encoders_of_another_rank(make, encoders):
    x = {"visual": (None, 7, 4), "audio": (None, 5)}
    refuses(
        "An encoder must return features of shape (batch, dim), with dim "
        "known. Received: encoders['visual'] returns shape (None, 7, 4). End "
        "it with a pooling or Flatten layer.",
        make().build,
        x,
    )
    ragged = {**encoders(), "visual": keras.layers.Flatten()}
    refuses(
        "encoders['visual'] returns shape (None, None)",
        make(encoders=ragged).build,
        {"visual": (None, None, 4), "audio": (None, 5)},
    )
