"""Scores, the linear split and the unimodal loss on numbers."""

import keras
import networks
import numpy as np
import pytest
import table
from keras import ops

from keras_balance import fusions
from keras_balance.models import batch as batches
from keras_balance.models import scores
from keras_balance.models.multimodal import Outputs

LABELS = np.array([0, 1, 2], "int32")
LOGITS = {
    "audio": [[2, 0, -1], [0, 1, 0], [0.5, 0.5, 1.5]],
    "visual": [[0.2, 0.1, 0], [0, 0.4, 0.3], [0.6, 0, 0.1]],
    "text": [[0, 0, 0], [0.1, 0.2, 0], [0, 0.3, 0.9]],
}


def tensors(**arrays):
    return {
        k: ops.convert_to_tensor(np.array(v, "float32"))
        for k, v in arrays.items()
    }


def summed(present=None, weight=None):
    outputs = Outputs({}, tensors(**LOGITS), None, tensors(**(present or {})))
    data = ({}, ops.convert_to_tensor(LABELS))
    if weight is not None:
        data += (ops.convert_to_tensor(np.array(weight, "float32")),)
    totals, rows = scores.summed_scores(outputs, batches.unpack(data, 3))
    return ops.convert_to_numpy(totals), float(ops.convert_to_numpy(rows))


def test_probabilities_of_the_true_class():
    expected = {
        "audio": [0.843795, 0.576117, 0.576117],
        "visual": [0.367165, 0.388326, 0.281408],
    }
    for name, values in expected.items():
        p = scores.true_class_probability(
            tensors(**LOGITS)[name], ops.convert_to_tensor(LABELS)
        )
        np.testing.assert_allclose(ops.convert_to_numpy(p), values, atol=1e-6)


def test_summed_scores():
    totals, rows = summed()
    np.testing.assert_allclose(
        totals, [1.996029, 1.036899, 1.211908], atol=2e-6
    )
    assert rows == 3


def test_scores_are_weighted():
    totals, rows = summed(weight=[2, 0, 1])
    expected = [2 * 0.843795 + 0.576117, 2 * 0.367165 + 0.281408]
    np.testing.assert_allclose(totals[:2], expected, atol=2e-6)
    assert rows == 3


def test_only_rows_with_every_modality_are_compared():
    present = {"audio": [1, 0, 1], "text": [1, 1, 0]}
    totals, rows = summed(present=present)
    np.testing.assert_allclose(totals, [0.843795, 0.367165, 1 / 3], atol=2e-6)
    assert rows == 1


def test_scores_of_half_precision_logits_are_float32():
    logits = ops.convert_to_tensor(np.array([[9.0, 0, 0]], "float16"))
    p = scores.true_class_probability(logits, ops.convert_to_tensor([1]))
    assert keras.backend.standardize_dtype(p.dtype) == "float32"
    # exp(-9) / (1 + 2 exp(-9)); half precision knows it to 1e-3 only.
    np.testing.assert_allclose(
        ops.convert_to_numpy(p), [1.233793e-4], rtol=1e-5
    )


def test_the_linear_split():
    kernel = np.array([[1, 0, -1, 2], [0.5, 1, 0, -0.5], [-1, 0.5, 1, 0]])
    fusion = fusions.get("concat", num_classes=3)
    fusion.build([(None, 2), (None, 2)])
    fusion.head.kernel.assign(kernel.T)
    fusion.head.bias.assign([0.2, -0.4, 0.6])
    features = list(tensors(a=[[1, 2]], v=[[0.5, -1]]).values())
    audio, visual = fusion.split(features)
    np.testing.assert_allclose(
        ops.convert_to_numpy(audio), [[1.1, 2.3, 0.3]], atol=1e-6
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(visual), [[-2.4, 0.3, 0.8]], atol=1e-6
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(fusion(features)), [[-1.3, 2.6, 1.1]], atol=1e-6
    )


def test_cross_entropy_of_one_modality_and_its_gradient():
    """Logits [1, .5, -.5] and label 0: the loss, and (softmax - one-hot)."""
    row = table.Row("alternating")
    optimizer = keras.optimizers.SGD(1.0)
    model = networks.model(row, ("text", "audio"), optimizer=optimizer)
    head = model.fusion.heads[0]
    head.kernel.assign(np.zeros(head.kernel.shape))
    head.bias.assign([1, 0.5, -0.5])
    x, _ = networks.data(rows=1, modalities=("text", "audio"))
    logs = model.train_on_batch(x, np.array([0]), return_dict=True)
    assert logs["loss"] == pytest.approx(0.604131, abs=1e-6)
    moved = ops.convert_to_numpy(head.bias) - [1, 0.5, -0.5]
    # At a learning rate of 1 the bias moves by minus the gradient.
    np.testing.assert_allclose(
        moved, [0.453451, -0.331499, -0.121952], atol=1e-6
    )
