"""Labels as integers, one-hot, shares, and what is refused."""

import numpy as np
import pytest
from keras import ops

from keras_balance.models.losses import CrossEntropy

MULTI_HOT = np.array([[1, 1, 0], [0, 1, 0]] * 8, "float32")


@pytest.mark.parametrize("slug", ["joint", "multi-loss", "mla"])
def test_one_hot_labels_train_as_integers(make, data, slug):
    x, y = data()
    histories = []
    for labels in (y, np.eye(3, dtype="float32")[y]):
        model = make(slug)
        model.build({name: (None, *v.shape[1:]) for name, v in x.items()})
        for i, weights in enumerate(model.get_weights()):
            random = np.random.default_rng(i).normal(size=weights.shape)
            if weights.dtype == "float32" and weights.ndim:
                weights[...] = 0.3 * random
            model.weights[i].assign(weights)
        fitted = model.fit(x, labels, epochs=2, shuffle=False, verbose=0)
        histories.append(fitted.history)
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(*(h[name] for h in histories), rtol=1e-5)


def test_cross_entropy_by_hand():
    logits = np.array([[1.0, 2.0, 3.0]], "float32")
    p = np.exp(logits) / np.exp(logits).sum()
    for y, expected in (
        (np.array([2]), -np.log(p[0, 2])),
        (np.array([[0.0, 0.0, 1.0]]), -np.log(p[0, 2])),
        (np.array([[0.5, 0.0, 0.5]]), -np.log(p[0, [0, 2]]).mean()),
    ):
        found = float(ops.convert_to_numpy(CrossEntropy()(y, logits)))
        assert found == pytest.approx(expected, rel=1e-5)


def test_multi_hot_arrays_are_refused_by_name(make, data):
    x, _ = data()
    with pytest.raises(
        ValueError, match=r"y\[0\]=\[1. 1. 0.\]. .* multi-label"
    ):
        make().fit(x, MULTI_HOT, verbose=0)


def test_multi_hot_batches_are_refused_by_name(make, data, batches):
    x, _ = data()
    with pytest.raises(ValueError, match="8 others in epoch 1. .* multi-label"):
        make().fit(batches(x, MULTI_HOT), verbose=0)


@pytest.mark.parametrize("mark", [0.5, np.nan, 2.0])
def test_marks_are_yes_or_no(make, data, batches, mark):
    x, y = data()
    x["audio_present"] = np.ones(16, "float32")
    x["audio_present"][3] = mark
    with pytest.raises(ValueError, match=r"first being .*present'\]\[3\]="):
        make().fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="Presence marks .* 1 others in epoch"):
        make().fit(batches(x, y), verbose=0)


def test_a_modality_is_no_mark(make, encoders):
    with pytest.raises(ValueError, match="Rename 'audio_present'"):
        make(encoders=encoders("audio", "audio_present"))


def test_validation_data_without_rows(make, data):
    x, y = data()
    nothing = ({name: v[:0] for name, v in x.items()}, y[:0])
    with pytest.raises(ValueError, match="y without a row"):
        make().fit(x, y, validation_data=nothing, verbose=0)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_the_number_of_classes_may_be_of_numpy(make, data, dtype):
    x, y = data()
    model = make(num_classes=np.array(3, dtype)[()])
    model.fit(x, y, verbose=0)
    assert type(model.num_classes) is int
