"""What `fit` and `evaluate` log, against NumPy."""

import keras
import networks
import numpy as np
import pytest
import table

import keras_balance as kb

NAMES = ("audio", "text")
ROWS = 40


def softmax_loss(logits, y):
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -log_p[np.arange(len(y)), y]


@pytest.fixture(params=["joint", "multi-loss"])
def model(request):
    """One that does not move: every batch of an epoch sees equal weights."""
    return networks.model(
        table.Row(request.param),
        modalities=NAMES,
        normalize=False,
        eager=True,
        optimizer=keras.optimizers.SGD(0.0),
        compile_arguments={"weighted_metrics": ["accuracy"]},
    )


def test_an_epoch_is_the_mean_over_rows_and_over_those_present(model):
    """Batches of 16, 16 and 8; each modality lacks other rows."""
    x, y = networks.data(rows=ROWS, modalities=NAMES, seed=4)
    # The last batch is unlike the others.
    y[32:] = (y[32:] + 1) % 3
    found = kb.evaluation.outputs(model, (x, y))
    weight = np.linspace(0.5, 2, ROWS).astype("float32")
    present = {
        "audio": np.arange(ROWS) % 3 != 0,
        "text": np.arange(ROWS) % 5 != 1,
    }
    marked = {**x, **{f"{m}_present": own for m, own in present.items()}}
    arguments = {"batch_size": 16, "verbose": 0}
    history = model.fit(
        marked, y, sample_weight=weight, shuffle=False, **arguments
    ).history
    results = model.evaluate(
        marked, y, sample_weight=weight, return_dict=True, **arguments
    )
    for name in NAMES:
        right = found[f"unimodal/{name}"].argmax(1) == y
        own = weight * present[name]
        expected = (own * right).sum() / own.sum()
        key = f"{name}_accuracy"
        np.testing.assert_allclose(history[key], [expected], rtol=1e-5)
        np.testing.assert_allclose(results[key], expected, rtol=1e-5)


def test_the_loss_of_an_epoch_is_by_rows():
    model = networks.model(
        table.Row("joint"),
        modalities=NAMES,
        normalize=False,
        eager=True,
        optimizer=keras.optimizers.SGD(0.0),
    )
    x, y = networks.data(rows=ROWS, modalities=NAMES, seed=4)
    y[32:] = (y[32:] + 1) % 3
    logits = model.predict(x, verbose=0)
    losses = softmax_loss(logits, y)
    expected = losses.mean()
    # By batches it would be another number.
    by_batches = np.mean([losses[i : i + 16].mean() for i in (0, 16, 32)])
    assert abs(expected - by_batches) > 1e-3
    history = model.fit(
        x, y, validation_data=(x, y), batch_size=16, shuffle=False, verbose=0
    ).history
    for key in ("loss", "val_loss"):
        np.testing.assert_allclose(history[key], [expected], rtol=1e-5)


def test_macro_f1_counts_a_class_that_is_neither_there_nor_predicted():
    metric = kb.metrics.MacroF1(num_classes=4)
    model = kb.JointTraining({"only": keras.layers.Identity()}, 4)
    model.build({"only": (None, 4)})
    model.fusion.head.kernel.assign(np.eye(4))
    model.compile(keras.optimizers.SGD(0.0), metrics=[metric], run_eagerly=True)
    y = np.array([0, 1, 2, 2, 1])
    x = {"only": np.eye(4, dtype="float32")[[0, 1, 2, 2, 0]]}
    # 2 tp / (2 tp + fp + fn) of each class, and 0 of the last one.
    expected = (2 / 3 + 2 / 3 + 1 + 0) / 4
    results = model.evaluate(x, y, batch_size=2, verbose=0, return_dict=True)
    assert results["macro_f1"] == pytest.approx(expected)
