"""How often a method runs the encoders, counted and not declared.

The method trains for a few tiny epochs with encoders that count the rows that
pass them forward and backward, eagerly: every step runs Python.
"""

import keras
import numpy as np

import keras_balance as kb

ROWS, BATCH, CLASSES, DIM = 32, 8, 2, 3


class Counted(keras.layers.Layer):
    """A linear encoder that counts rows, forward and backward."""

    # Not `forward`: torch modules have that.
    passed = 0
    returned = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(4)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        rows = x.shape[0] or 0
        type(self).passed += rows

        @keras.ops.custom_gradient
        def watched(z):
            def gradient(*arguments, upstream=None):
                type(self).returned += rows
                return arguments[0] if upstream is None else upstream

            return z, gradient

        return watched(self.dense(x))


class Passes(keras.callbacks.Callback):
    """Notes the rows of each epoch, less those of Keras's validation."""

    def __init__(self, counters):
        super().__init__()
        self.counters = counters
        self.epochs = []
        self.before = 0

    def on_train_begin(self, logs=None):
        # Keras has built the model by running it.
        for counter in self.counters:
            counter.passed = counter.returned = 0

    def on_test_begin(self, logs=None):
        self.passed = [counter.passed for counter in self.counters]

    def on_test_end(self, logs=None):
        for counter, passed in zip(self.counters, self.passed, strict=True):
            counter.passed = passed

    def on_epoch_end(self, epoch, logs=None):
        total = np.array(
            [
                sum(c.passed for c in self.counters),
                sum(c.returned for c in self.counters),
            ]
        )
        self.epochs.append((total - self.before) / ROWS)
        self.before = total


def per_epoch(slug, arguments, count, epochs):
    """Encoder passes per training sample in each epoch.

    Args:
        slug: the method.
        arguments: dict of its hyper-parameters.
        count: integer, the number of modalities.
        epochs: integer.

    Returns:
        `(epochs, 2)`: forward and backward passes, each encoder's counted
        alone; what the method reads of its own accord is in it, the validation
        that Keras runs is not. Joint training has `count` of both.
    """
    random = np.random.default_rng(0)
    names = [f"m{i}" for i in range(count)]
    counters = [type(f"Counted_{n}", (Counted,), {}) for n in names]
    model = kb.methods.create(
        slug,
        encoders={n: c() for n, c in zip(names, counters, strict=True)},
        num_classes=CLASSES,
        **({"modality": names[0]} if slug == "unimodal" else {}),
        **arguments,
    )
    model.compile(optimizer=keras.optimizers.SGD(0.01), run_eagerly=True)
    x = {n: random.normal(size=(ROWS, DIM)).astype("float32") for n in names}
    y = np.arange(ROWS) % CLASSES
    watch = Passes(counters)
    model.fit(
        x,
        y,
        batch_size=BATCH,
        epochs=epochs,
        # A quarter of it, as of the real sets: some methods read it, too.
        validation_data=(
            {n: v[: ROWS // 4] for n, v in x.items()},
            y[: ROWS // 4],
        ),
        verbose=0,
        callbacks=[watch],
    )
    return np.array(watch.epochs)


def epochs_within(budget, slug, arguments, count, most):
    """The most epochs whose passes stay within a budget, at least one.

    Args:
        budget: float, passes per training sample.
        slug: the method.
        arguments: dict of its hyper-parameters.
        count: integer, the number of modalities.
        most: integer, no more than these.

    Returns:
        `(epochs, passes)`: passes per sample that these epochs take.
    """
    total = per_epoch(slug, arguments, count, most).sum(1).cumsum()
    within = max(1, int(np.sum(total <= budget + 1e-6)))
    return within, float(total[within - 1])
