"""What an epoch logs of each modality, against NumPy on the rows it has."""

import keras
import networks
import numpy as np
import pytest
import table


@pytest.fixture(params=table.FEW, ids=lambda row: row.id)
def row(request):
    return request.param


@pytest.fixture
def marked():
    """40 rows: batches of 16, 16 and 8; each modality lacks other rows."""
    x, y = networks.data(rows=40)
    x["audio_present"] = np.arange(40) % 3 != 0
    x["visual_present"] = np.arange(40) % 5 > 1
    return x, y


def test_accuracy_of_a_modality_is_of_the_rows_that_have_it(row, marked):
    x, y = marked
    # Nothing moves: what the last epoch logs is of these weights.
    model = networks.model(
        row, optimizer=keras.optimizers.SGD(0.0), normalize=False, eager=True
    )
    history = model.fit(
        x,
        y,
        validation_data=(x, y),
        batch_size=16,
        epochs=model.epochs_before_own() + 1,
        shuffle=False,
        verbose=0,
    ).history
    outputs = model.forward_pass(x, training=False)
    # Steps that train one modality count nothing of the others.
    in_turn = row.alternates or row.slug == "reconboost"
    for name in model.modalities:
        logits = networks.numpy(outputs.unimodal[name])
        right = (logits.argmax(1) == y)[x[f"{name}_present"]]
        keys = [f"val_{name}_accuracy"]
        if not in_turn:
            keys.append(f"{name}_accuracy")
        for key in keys:
            np.testing.assert_allclose(
                history[key][-1], right.mean(), rtol=1e-6, err_msg=key
            )
    accuracy = (networks.numpy(outputs.logits).argmax(1) == y).mean()
    np.testing.assert_allclose(history["val_accuracy"][-1], accuracy, rtol=1e-6)
