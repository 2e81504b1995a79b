"""The arguments that a method takes by name."""

import pytest

from keras_balance.errors import UsageError
from keras_balance.runs import method


def test_those_of_the_methods_that_it_builds_on():
    # Between the two stands a class that is no method.
    assert method.parameters("umt") < method.parameters("g2d")
    assert {"alpha", "window", "variant"} <= method.parameters("ogm-ge")


def test_never_what_the_network_gives():
    assert not {"encoders", "fusion"} & method.parameters("mla")


def test_what_is_typed_wins_and_others_are_left_out():
    found = method.arguments("ogm", {"alpha": 1, "tau": 2}, {"alpha": 3})
    assert found == {"alpha": 3}


def test_an_argument_that_the_method_lacks():
    with pytest.raises(UsageError, match="argument of joint"):
        method.arguments("joint", {}, {"alpha": 1})
