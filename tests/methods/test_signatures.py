"""Arguments read from the files are those of the classes."""

import inspect

import pytest

import keras_balance as kb
from keras_balance.methods.signatures import NETWORK


@pytest.mark.parametrize("slug", kb.methods.names())
def test_as_the_classes_have_them(slug):
    classes = kb.methods.load(slug).__mro__
    defaults = {}
    for one in classes[: classes.index(kb.BalancedModel)]:
        if "__init__" in vars(one):
            for name, own in inspect.signature(one.__init__).parameters.items():
                if own.kind != own.VAR_KEYWORD and name not in NETWORK:
                    defaults.setdefault(name, own.default)
    presets = kb.methods.get(slug).presets()
    defaults |= {k: v for k, v in presets.items() if k in defaults}
    found = kb.methods.arguments(slug)
    assert found.keys() == defaults.keys()
    for name, one in found.items():
        expected = defaults[name]
        given = inspect.Parameter.empty
        assert one.default == (None if expected is given else repr(expected))
        # What a class does in several ways, its text tells at length.
        assert one.help or name == "mode", name
