"""What holds for every method in training."""

import keras
import numpy as np

from keras_balance.engine import TRACES
from keras_balance.testing import expect
from keras_balance.testing import networks
from keras_balance.testing.networks import fit
from keras_balance.testing.row import Row


def loss_falls_and_history_shows_the_method(row):
    model = networks.reused(row)
    data = networks.data()
    history = fit(model, data, epochs=12, validation_data=data)
    # Alternating epochs show the loss of different modalities.
    falling = history[row.falls]
    expect.true(
        falling[-row.phases] < 0.8 * falling[0],
        f"{row.falls} does not fall: {falling}",
    )
    found = history["val_accuracy"][-1]
    expect.true(found > 0.6, f"val_accuracy is {found} after 12 epochs")
    expect.finite(history)
    for name in model.modalities:
        for key, least in (
            (f"{name}_accuracy", 0),
            (f"val_{name}_accuracy", 0.3),
        ):
            found = history[key][-1]
            expect.true(least <= found <= 1, f"{key} is {found}")
        if f"{name}_score" in history:
            found = history[f"{name}_score"][0]
            expect.true(0 <= found <= 1, f"{name}_score is {found}")
    wrong = [k for k in history if k.startswith("val_") and "score" in k]
    expect.true(not wrong, f"scores of validation mean nothing: {wrong}")


def compiled_equals_eager(row):
    results = []
    for model in (networks.reused(row), networks.reused(row, eager=True)):
        fit(model, networks.data(rows=32))
        results.append(networks.weights(model))
    expect.close(*results, 2e-6, "compiled and eager weights")


def rows_of_weight_zero_change_nothing(row):
    x, y = networks.data(rows=32)
    weight = np.where(np.arange(32) % 4 == 0, 0.0, 1.5).astype("float32")
    junk = {
        k: np.where(weight.reshape(-1, *[1] * (v.ndim - 1)) == 0, 9.0, v)
        for k, v in x.items()
    }
    results, histories = [], []
    for inputs in (x, {k: v.astype("float32") for k, v in junk.items()}):
        model = networks.reused(row, normalize=False, eager=True)
        history = fit(
            model,
            (inputs, y),
            sample_weight=weight,
            validation_data=(x, y) if model.needs_validation else None,
        )
        # A plain `metrics=` of Keras looks at no weights.
        history.pop("accuracy")
        histories.append(history)
        results.append(networks.weights(model))
    expect.close(*results, 1e-6, "weights with other rows of weight zero")
    for key in histories[0]:
        np.testing.assert_allclose(
            histories[0][key],
            histories[1][key],
            rtol=1e-5,
            atol=1e-6,
            err_msg=key,
        )


def class_weight_is_sample_weight(row):
    x, y = networks.data(rows=32)
    class_weight = {0: 1.0, 1: 2.0, 2: 0.5}
    weight = np.array([class_weight[c] for c in y], "float32")
    results = []
    for weights in ({"class_weight": class_weight}, {"sample_weight": weight}):
        model = networks.reused(row, eager=True)
        fit(model, (x, y), **weights)
        results.append(networks.weights(model))
    expect.close(*results, 1e-6, "weights by class_weight and sample_weight")


def one_hot_labels_train_alike(row):
    x, y = networks.data(rows=32)
    sparse = networks.reused(row, eager=True)
    fit(sparse, (x, y))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    one_hot = networks.model(row, eager=True, compile_arguments={"loss": loss})
    fit(one_hot, (x, np.eye(3, dtype="float32")[y]))
    expect.close(
        networks.weights(sparse),
        networks.weights(one_hot),
        1e-5,
        "weights by class indices and by one-hot labels",
    )


def absent_rows_have_no_influence(row):
    x, y = networks.data(rows=32)
    present = np.arange(32) % 3 != 0
    results = []
    for filler in (0.0, np.nan):
        inputs = dict(x)
        inputs["audio"] = x["audio"].copy()
        inputs["audio"][~present] = filler
        inputs["audio_present"] = present
        model = networks.reused(row, eager=True)
        expect.finite({"loss": fit(model, (inputs, y))["loss"]})
        results.append(networks.weights(model))
    expect.close(*results, 0, "weights with other values in absent rows")


def three_modalities(row):
    names = ("visual", "text", "audio")
    model = networks.model(row, modalities=names, eager=True)
    one = (row.arguments.get("modality"),)
    expect.true(
        model.modalities in (names, one),
        f"the model has the modalities {model.modalities}",
    )
    data = networks.data(rows=48, modalities=names)
    history = fit(model, data, epochs=6, validation_data=data)
    expect.finite({"loss": history["loss"]})
    falling = history[row.falls]
    expect.true(min(falling) < falling[0], f"{row.falls} rises: {falling}")


def neutral_hyperparameters_equal_joint_training(row):
    if row.neutral is None:
        return
    data = networks.data(rows=32)
    model = networks.model(row, eager=True, **row.neutral)
    joint = networks.reused(Row("joint"), eager=True)
    fit(model, data, validation_data=data)
    fit(joint, data, validation_data=data)
    moved, reference = (
        [networks.numpy(v) for v in _network_variables(m)]
        for m in (model, joint)
    )
    expect.close(moved, reference, 1e-6, "weights of neutral and joint")


def _network_variables(model):
    """Those of encoders and fusion, without a method's own state."""
    encoders = [v for e in model.encoders.values() for v in e.variables]
    return [*encoders, *model.fusion.variables]


def evaluate_and_predict_agree_with_fit(row):
    x, y = networks.data(rows=40)
    model = networks.reused(row, eager=True)
    epochs = max(2, model.epochs_before_own() + 1)
    history = fit(model, (x, y), validation_data=(x, y), epochs=epochs)
    results = model.evaluate(x, y, batch_size=16, verbose=0, return_dict=True)
    for key, value in results.items():
        np.testing.assert_allclose(
            value, history[f"val_{key}"][-1], rtol=1e-5, err_msg=key
        )
    logits = model.predict(x, batch_size=16, verbose=0)
    expect.true(logits.shape == (40, 3), f"predict gives {logits.shape}")
    accuracy = (logits.argmax(1) == y).mean()
    np.testing.assert_allclose(accuracy, results["accuracy"], rtol=1e-6)


def train_on_batch(row):
    x, y = networks.data(rows=16)
    model = networks.reused(row, eager=True)
    losses = [
        model.train_on_batch(x, y, return_dict=True)["loss"] for _ in range(8)
    ]
    expect.finite({"loss": losses})


# Where no step is compiled, both would be eager.
_COMPILED = () if TRACES is None else (compiled_equals_eager,)
CHECKS = (
    loss_falls_and_history_shows_the_method,
    *_COMPILED,
    rows_of_weight_zero_change_nothing,
    class_weight_is_sample_weight,
    one_hot_labels_train_alike,
    absent_rows_have_no_influence,
    three_modalities,
    neutral_hyperparameters_equal_joint_training,
    evaluate_and_predict_agree_with_fit,
    train_on_batch,
)
