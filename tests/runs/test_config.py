"""`--set key=value` by the type of the field."""

import dataclasses

import pytest

from keras_balance.errors import UsageError
from keras_balance.protocols.config import RunConfig
from keras_balance.protocols.config import setting
from keras_balance.runs import config as configs


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    alpha: float = setting(0.8, "", source="ours")
    window: tuple[int, int] | None = setting((0, 50), "", source="ours")
    heads: bool = setting(False, "", source="ours")
    samples: int | None = setting(None, "", source="ours")
    fusion: str = setting(
        "concat", "", source="ours", choices=("concat", "sum")
    )


GOOD = [
    ("epochs=3", "epochs", 3),
    ("alpha=1", "alpha", 1.0),
    ("alpha=1e-3", "alpha", 0.001),
    ("window=2,7", "window", (2, 7)),
    ("window=none", "window", None),
    ("window=None", "window", None),
    ("samples=12", "samples", 12),
    ("heads=true", "heads", True),
    ("heads=0", "heads", False),
    ("fusion=sum", "fusion", "sum"),
    ("modality=", "modality", ""),
]


@pytest.mark.parametrize(("pair", "key", "value"), GOOD)
def test_typed_value(pair, key, value):
    found = configs.parse_settings(Config, [pair])
    assert found == {key: value}
    assert type(found[key]) is type(value)


BAD = [
    ("epochs", "Expected --set key=value. Received: --set epochs"),
    ("epochs=3.5", "Expected epochs of type int. Received: epochs=3.5"),
    ("alpha=x", "Expected alpha of type float. Received: alpha=x"),
    ("heads=maybe", "Expected heads of type bool. Received: heads=maybe"),
    (
        "window=1",
        "Expected window of type int,int or none. Received: window=1",
    ),
    ("alhpa=1", "Did you mean 'alpha'?"),
    ("fusion=som", "Did you mean 'sum'?"),
]


@pytest.mark.parametrize(("pair", "message"), BAD)
def test_refused(pair, message):
    with pytest.raises(UsageError) as caught:
        configs.parse_settings(Config, [pair])
    assert message in str(caught.value)


def test_the_last_value_wins():
    pairs = ["alpha=1", "alpha=2"]
    assert configs.parse_settings(Config, pairs) == {"alpha": 2.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("2.5", 2.5),
        ("1e-3", 0.001),
        ("true", True),
        ("None", None),
        ("0,5", (0, 5)),
        ("stage", "stage"),
    ],
)
def test_literal(text, value):
    found = configs.parse_literal(text)
    assert found == value and type(found) is type(value)
