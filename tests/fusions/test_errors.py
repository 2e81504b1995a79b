"""What a user sees who asks a fusion for what it cannot do."""

import keras
import pytest

import keras_balance as kb
from keras_balance import fusions


def encoders(*names):
    return {name: keras.layers.Dense(4) for name in names}


@pytest.mark.parametrize(
    "typed, nearest",
    [
        ("conct", "concat"),
        ("Gated", "gated"),
        ("flim", "film"),
        ("sums", "sum"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(typed, nearest):
    with pytest.raises(ValueError) as error:
        kb.JointTraining(encoders("audio", "text"), 3, fusion=typed)
    message = str(error.value)
    assert "concat, sum, film, gated" in message
    assert f"Received: fusion='{typed}'. Did you mean '{nearest}'?" in message


@pytest.mark.parametrize("fusion", ["xyz", None, 3])
def test_what_resembles_nothing_is_told_all_names(fusion):
    with pytest.raises(ValueError, match="concat, sum, film, gated") as error:
        fusions.get(fusion)
    assert f"Received: fusion={fusion!r}" in str(error.value)
    assert "Did you mean" not in str(error.value)


def test_a_layer_that_is_no_fusion():
    with pytest.raises(ValueError, match="keras_balance.fusions layer"):
        fusions.get(keras.layers.Dense(3))


@pytest.mark.parametrize("name", ["film", "gated"])
def test_one_modality_cannot_condition_itself(name):
    with pytest.raises(ValueError, match="at least 2 modalities") as error:
        kb.JointTraining(encoders("audio"), 3, fusion=name)
    assert "Received: ['audio']" in str(error.value)


def test_another_number_of_classes_than_the_model():
    with pytest.raises(ValueError, match="the model's 3 classes") as error:
        kb.JointTraining(
            encoders("audio", "text"), 3, fusion=kb.fusions.Concat(5)
        )
    assert "Received: fusion.num_classes=5" in str(error.value)


def test_the_classes_are_the_models_where_none_are_given():
    fusion = kb.fusions.Gated()
    model = kb.JointTraining(encoders("audio", "text"), 3, fusion=fusion)
    assert model.fusion is fusion
    assert fusion.num_classes == 3


@pytest.mark.parametrize("slug", ["ogm", "ogm-ge", "ge"])
@pytest.mark.parametrize("name, shown", [("film", "FiLM"), ("gated", "Gated")])
def test_methods_that_need_a_split_refuse_fusions_without(slug, name, shown):
    arguments = {"encoders": encoders("audio", "text"), "num_classes": 3}
    with pytest.raises(ValueError, match="heads=True") as error:
        kb.methods.create(slug, fusion=name, **arguments)
    assert f"'{shown}'" in str(error.value)
    model = kb.methods.create(slug, fusion=name, heads=True, **arguments)
    assert model.has_unimodal_logits


@pytest.mark.parametrize("name", ["film", "gated"])
def test_a_split_that_does_not_exist(name):
    fusion = fusions.get(name, num_classes=3)
    with pytest.raises(ValueError, match="no exact split"):
        fusion.split([])


@pytest.mark.parametrize("name", ["concat", "film", "gated"])
def test_alternating_refuses_shared_parameters(name):
    with pytest.raises(ValueError, match="fusion='sum'"):
        kb.AlternatingLearning(encoders("audio", "text"), 3, fusion=name)


def test_alternating_has_its_heads_in_the_fusion():
    with pytest.raises(ValueError, match="Received: heads=True"):
        kb.AlternatingLearning(encoders("audio", "text"), 3, heads=True)
