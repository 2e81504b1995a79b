"""Coalitions against whole passes over inputs that are zeroed by hand."""

import keras
import networks
import numpy as np
import pytest
import table

from keras_balance.evaluation import masking
from keras_balance.evaluation import outputs

ROWS = 10
METHODS = (
    table.Row("joint", {"fusion": "film", "heads": True}),
    table.Row("unimodal", {"modality": "visual"}),
    table.Row("dgl"),
    table.Row("agm"),
    table.Row("ume"),
    table.Row("lfm"),
    table.Row("domfn"),
    table.Row("mmcosine"),
    table.Row("reconboost"),
    # Its encoders see each other's maps.
    table.Row("greedy"),
)


@keras.saving.register_keras_serializable("test_masking")
class Shifted(keras.layers.Layer):
    """x + 3: zeros before it are none after it."""

    def call(self, x):
        return x + 3.0


def found_of(model, data, **kwargs):
    return masking.coalition_logits(model, data, outputs(model, data, **kwargs))


def numpy(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


@pytest.mark.parametrize("row", METHODS, ids=lambda row: row.id)
def test_inputs_of_zeros(row):
    model = networks.model(row)
    x, y = networks.data(ROWS)
    found = found_of(model, (x, y))["input"]
    assert list(found) == masking.subsets(model.modalities)
    for chosen, logits in found.items():
        zeroed = {k: v if k in chosen else 0 * v for k, v in x.items()}
        expected = numpy(model.forward_pass(zeroed).logits)
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_features_of_zeros():
    model = networks.model(table.Row("joint"), ("audio", "visual", "text"))
    x, y = networks.data(ROWS, ("audio", "visual", "text"))
    found = found_of(model, (x, y))["features"]
    kernel, bias = map(numpy, model.fusion.weights)
    blocks = dict(zip(model.modalities, np.split(kernel, 3), strict=True))
    assert len(found) == 8
    for chosen, logits in found.items():
        expected = np.tile(bias, (ROWS, 1))
        for name in chosen:
            features = numpy(model.encoders[name](x[name], training=False))
            expected = expected + features @ blocks[name]
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_zeros_come_after_preprocessing():
    row = table.Row("joint", {"preprocessing": {"audio": Shifted()}})
    model = networks.model(row)
    x, y = networks.data(ROWS)
    found = found_of(model, (x, y))["input"][("visual",)]
    # What the shift turns into zeros.
    zeroed = {**x, "audio": np.full_like(x["audio"], -3.0)}
    expected = numpy(model.forward_pass(zeroed).logits)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("slug", ["joint", "greedy"])
def test_absent_rows_stay_absent(slug):
    model = networks.model(table.Row(slug))
    x, y = networks.data(ROWS)
    x["audio_present"] = np.arange(ROWS) % 3 > 0
    x["audio"][~x["audio_present"]] = np.nan
    found = found_of(model, (x, y))["input"]
    for chosen in (("visual",), ("audio", "visual")):
        shown = {k: v if k in chosen else 0 * v for k, v in x.items()}
        given = {**shown, "audio_present": x["audio_present"]}
        expected = numpy(model.forward_pass(given).logits)
        np.testing.assert_allclose(
            found[chosen], expected, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("slug", ["joint", "greedy"])
def test_batches_give_what_arrays_give(slug, monkeypatch):
    model = networks.model(table.Row(slug))
    x, y = networks.data(ROWS)
    whole = found_of(model, (x, y))
    monkeypatch.setattr(masking, "ROWS", 4)
    parts = [({k: v[i::2] for k, v in x.items()}, y[i::2]) for i in (0, 1)]
    order = np.r_[0:ROWS:2, 1:ROWS:2]
    for kind, logits in found_of(model, parts).items():
        for chosen, own in logits.items():
            expected = whole[kind][chosen][order]
            np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)


def test_the_coalitions_of_many_modalities():
    six, seven = "abcdef", "abcdefg"
    assert len(masking.subsets(six)) == 64
    found = masking.subsets(seven)
    assert len(found) == len(set(found)) == 16
    assert {len(chosen) for chosen in found} == {0, 1, 6, 7}
    assert masking.all_but(seven, "c") == tuple("abdefg")
