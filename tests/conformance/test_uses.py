"""What Keras users do with a model; all of it: python -m keras_balance.testing.

Here the uses that ask most of a model, on one method of each base class, and
on torch, which compiles nothing, with each fusion; all else is marked full.
"""

import keras
import pytest

from keras_balance import fusions
from keras_balance import methods
from keras_balance.testing import Row
from keras_balance.testing import matrix
from keras_balance.testing import uses

# Plain; an optimizer per modality; teachers; a layer of its own; copies.
UNLIKE = ("joint", "mla", "umt", "agm", "gblend-offline")
HARD = (
    uses.clone_and_build,
    uses.export_saved_model,
    uses.export_torch,
    uses.quantize,
    uses.low_rank_adapters,
    uses.save_h5,
)
# That fusions are saved and copied is in tests/fusions.
OF_FUSIONS = (uses.export_torch, uses.quantize)


def cases():
    for slug in methods.names():
        for use in uses.USES:
            quick = slug in UNLIKE and use in HARD
            yield pytest.param(
                matrix.short_row(slug),
                use,
                id=f"{slug}-{use.__name__}",
                marks=() if quick else (pytest.mark.full,),
            )
    torch = keras.config.backend() == "torch"
    for fusion in fusions.names():
        for use in HARD:
            quick = torch and use in OF_FUSIONS
            yield pytest.param(
                Row("joint", {"fusion": fusion}),
                use,
                id=f"joint-{fusion}-{use.__name__}",
                marks=() if quick else (pytest.mark.full,),
            )


@pytest.mark.parametrize("row, use", cases())
def test_use(row, use):
    found = matrix.state(row, use)
    allowed = ("pass", "refused (", "plain Keras refuses (")
    assert found.startswith(allowed), found


def test_what_fails_is_told_from_what_is_refused():
    row = matrix.short_row("joint")

    def broken(make, folder):
        if type(make()).__name__ != "Functional":
            raise ValueError("odd")

    def refused(make, folder):
        model = make()
        if type(model).__name__ != "Functional":
            model.compile(loss="mse")

    def by_keras(make, folder):
        make().compile(loss=3, metrics=3)

    assert matrix.state(row, broken) == "FAILS (ValueError: odd)"
    assert matrix.state(row, refused).startswith("refused (Regression is not")
    assert matrix.state(row, by_keras).startswith("plain Keras refuses (")
    assert matrix.state(row, lambda make, folder: make()) == "pass"
