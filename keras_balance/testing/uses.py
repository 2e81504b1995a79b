"""What Keras users do with a model, each as a small function.

A use is given `make`, which returns a compiled model, and an empty folder. It
raises where the use fails. The same use is run on a plain Keras model, so that
what Keras itself refuses is known by trying it.
"""

import keras

from keras_balance.models.structures import shapes_of
from keras_balance.testing import expect
from keras_balance.testing import networks

ROWS, BATCH = 16, 8
DATA = networks.data(rows=ROWS)
OPTIMIZER = keras.optimizers.SGD


def _fit(model, data=DATA, **arguments):
    """Trains through every phase of the method, with finite results."""
    epochs = max(2, len(getattr(model, "phases", ())))
    if isinstance(data, tuple):
        arguments = {"batch_size": BATCH, **arguments}
    else:
        data = (data,)
    arguments = {"validation_data": DATA, "epochs": epochs, **arguments}
    history = model.fit(*data, verbose=0, **arguments).history
    expect.finite({"loss": history["loss"]})
    return model


def _compile(model, like):
    """Compiles with a new optimizer, as another model was compiled."""
    model.compile(
        optimizer=OPTIMIZER(0.05), loss=like.loss, run_eagerly=like.run_eagerly
    )


def _logits(model):
    logits = model.predict(DATA[0], batch_size=BATCH, verbose=0)
    expect.finite({"predictions": logits})
    return logits


def _predict_alike(model, other):
    one, two = _logits(model), _logits(other)
    expect.close([one], [two], 1e-4, "predictions before and after")


# Data ---------------------------------------------------------------------


class _Batches(keras.utils.PyDataset):
    def __len__(self):
        return ROWS // BATCH

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return keras.tree.map_structure(lambda a: a[rows], DATA)


def fit_arrays(make, folder):
    _fit(make(), shuffle=True)


def fit_py_dataset(make, folder):
    _fit(make(), _Batches())


def fit_tf_data(make, folder):
    import tensorflow as tf

    _fit(make(), tf.data.Dataset.from_tensor_slices(DATA).batch(BATCH))


def fit_generator(make, folder):
    def batches():
        while True:
            yield from (_Batches()[i] for i in range(ROWS // BATCH))

    _fit(make(), batches(), steps_per_epoch=ROWS // BATCH)


def fit_data_loader(make, folder):
    import torch

    batches = _Batches()
    items = [
        keras.tree.map_structure(torch.as_tensor, batches[i])
        for i in range(len(batches))
    ]
    _fit(make(), torch.utils.data.DataLoader(items, batch_size=None))


# Callbacks ------------------------------------------------------------------


def early_stopping(make, folder):
    stop = keras.callbacks.EarlyStopping(
        "loss", patience=1, restore_best_weights=True
    )
    _logits(_fit(make(), callbacks=[stop]))


def reduce_on_plateau(make, folder):
    slower = keras.callbacks.ReduceLROnPlateau("loss", patience=1)
    _fit(make(), callbacks=[slower])


def model_checkpoint(make, folder):
    path = folder / "best.keras"
    keep = keras.callbacks.ModelCheckpoint(path)
    model = _fit(make(), callbacks=[keep])
    _predict_alike(model, keras.models.load_model(path))


def backup_and_restore(make, folder):
    _fit(make(), callbacks=[keras.callbacks.BackupAndRestore(folder / "b")])


def csv_logger(make, folder):
    _fit(make(), callbacks=[keras.callbacks.CSVLogger(folder / "log.csv")])
    expect.true((folder / "log.csv").stat().st_size, "nothing was logged")


def tensor_board(make, folder):
    _fit(make(), callbacks=[keras.callbacks.TensorBoard(folder / "logs")])


def swap_averages(make, folder):
    optimizer = OPTIMIZER(0.05, use_ema=True)
    _fit(make(optimizer), callbacks=[keras.callbacks.SwapEMAWeights()])


# Precision and optimizers ----------------------------------------------------


def half_precision(make, folder):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        _logits(_fit(make()))
    finally:
        keras.config.set_dtype_policy(before)


def accumulation(make, folder):
    _fit(make(OPTIMIZER(0.05, gradient_accumulation_steps=2)))


def clipping(make, folder):
    _fit(make(OPTIMIZER(0.05, global_clipnorm=1.0)))


def averages(make, folder):
    _fit(make(OPTIMIZER(0.05, use_ema=True)))


def schedule(make, folder):
    decay = keras.optimizers.schedules.CosineDecay(0.05, 10)
    _fit(make(OPTIMIZER(decay)))


def freeze_and_unfreeze(make, folder):
    model = make()
    layers = getattr(model, "encoders", None) or {"audio": model.layers[2]}
    layer = next(iter(layers.values()))
    for trainable in (False, True):
        layer.trainable = trainable
        _compile(model, model)
        _fit(model)


# Saving and building -------------------------------------------------------


def save_and_load(make, folder):
    model = _fit(make())
    model.save(folder / "m.keras")
    again = keras.models.load_model(folder / "m.keras")
    _predict_alike(model, again)
    _fit(again)


def save_h5(make, folder):
    model = _fit(make())
    model.save(str(folder / "m.h5"))
    _predict_alike(model, keras.models.load_model(folder / "m.h5"))


def save_weights(make, folder):
    model = _fit(make())
    model.save_weights(folder / "m.weights.h5")
    again = make()
    again.load_weights(folder / "m.weights.h5")
    _predict_alike(model, again)


def _build(model):
    model.build(shapes_of(DATA[0]))


def clone_and_build(make, folder):
    model = make()
    clone = keras.models.clone_model(model)
    _build(clone)
    _compile(clone, model)
    _fit(clone)


def from_config(make, folder):
    model = make()
    again = type(model).from_config(model.get_config())
    _build(again)
    _compile(again, model)
    _fit(again)


# Deployment -----------------------------------------------------------------


def export_saved_model(make, folder):
    _export(make, folder / "saved", "tf_saved_model")


def export_onnx(make, folder):
    _export(make, folder / "m.onnx", "onnx")


def export_torch(make, folder):
    _export(make, folder / "m.pt2", "torch")


def _export(make, path, kind):
    """After `fit`, and after loading: neither has called the model."""
    model = _fit(make())
    model.export(str(path), format=kind, verbose=False)
    model.save(path.parent / "m.keras")
    again = keras.models.load_model(path.parent / "m.keras")
    again.export(str(path), format=kind, verbose=False)


def quantize(make, folder):
    model = _fit(make())
    model.quantize("int8")
    model.save(folder / "q.keras")
    _predict_alike(model, keras.models.load_model(folder / "q.keras"))


def low_rank_adapters(make, folder):
    model = _fit(make())
    parts = getattr(model, "encoders", None) or {"all": model}
    for part in parts.values():
        for layer in part.layers:
            if isinstance(layer, keras.layers.Dense):
                layer.enable_lora(2)
    _compile(model, model)
    _fit(model)
    model.save(folder / "l.keras")
    _predict_alike(model, keras.models.load_model(folder / "l.keras"))


def tuner(make, folder):
    import keras_tuner

    search = keras_tuner.RandomSearch(
        lambda hp: make(OPTIMIZER(hp.Float("rate", 0.01, 0.1))),
        "loss",
        max_trials=1,
        directory=folder,
    )
    search.search(*DATA, validation_data=DATA, verbose=0)


def plot(make, folder):
    keras.utils.plot_model(make(), str(folder / "m.png"))


USES = (
    fit_arrays,
    fit_py_dataset,
    fit_tf_data,
    fit_generator,
    fit_data_loader,
    early_stopping,
    reduce_on_plateau,
    model_checkpoint,
    backup_and_restore,
    csv_logger,
    tensor_board,
    swap_averages,
    half_precision,
    accumulation,
    clipping,
    averages,
    schedule,
    freeze_and_unfreeze,
    save_and_load,
    save_h5,
    save_weights,
    clone_and_build,
    from_config,
    export_saved_model,
    export_onnx,
    export_torch,
    quantize,
    low_rank_adapters,
    tuner,
    plot,
)
# Those in which the step that is compiled is another one.
COMPILED = (
    fit_arrays,
    swap_averages,
    half_precision,
    accumulation,
    freeze_and_unfreeze,
)
