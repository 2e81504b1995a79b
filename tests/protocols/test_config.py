"""Fields of a configuration: their source, and texts taken from below."""

import dataclasses

import pytest

from keras_balance.protocols.config import RunConfig
from keras_balance.protocols.config import setting


def test_a_default_alone_keeps_the_text_and_the_choices():
    @dataclasses.dataclass(frozen=True)
    class Config(RunConfig):
        selection: str = setting("last", source="code")
        epochs: int = setting(7, source="code")

    (field,) = (f for f in dataclasses.fields(Config) if f.name == "selection")
    assert Config().selection == "last"
    assert field.metadata["source"] == "code"
    assert field.metadata["help"].startswith("which split's accuracy")
    assert field.metadata["choices"] == ("validation", "test", "last")
    (epochs,) = (f for f in dataclasses.fields(Config) if f.name == "epochs")
    assert epochs.metadata["least"] == 1


def test_a_new_setting_needs_a_text():
    with pytest.raises(TypeError, match="new setting width"):

        class Config(RunConfig):
            width: int = setting(3, source="ours")


def test_a_source_is_one_of_three():
    with pytest.raises(ValueError, match="Received: source='guess'"):
        setting(3, "", source="guess")
    with pytest.raises(TypeError, match="source"):
        setting(3, "")
