"""What a method's step costs beside plain Keras.

    KERAS_BACKEND=jax python tools/benchmark/step.py --batch 8
    python tools/benchmark/step.py --backend torch --method ogm --rounds 15

Each round times an epoch of `fit` of a plain `keras.Model`, the joint network,
and then of each method on the same encoders, optimizer, batch and backend; a
round's ratio is the method's time over plain Keras's of that round. Printed
are the median ratio over the rounds and its quartiles, and what the method's
encoder passes alone account for, a backward pass counted as two forward ones.
"""

import json
import os
import platform
import time

import click

from keras_balance import methods
from keras_balance.runs import backend as backends

CLASSES = 6
# Epochs before the timed ones: G-Blend estimates in the first of them.
WARM = 5
ARGUMENTS = {
    "unimodal": {"modality": "audio"},
    "gblend-offline": {"super_epoch": 1},
    "gblend-online": {"super_epoch": 1},
}


@click.command(help=__doc__.split("\n\n")[0])
@click.option("--backend", help="tensorflow, jax or torch.")
@click.option(
    "--method",
    "slugs",
    multiple=True,
    default=("joint", "ogm", "ogm-ge", "mlb"),
    show_default=True,
    type=click.Choice(methods.names()),
)
@click.option(
    "--network",
    type=click.Choice(["resnet18", "small"]),
    default="resnet18",
    show_default=True,
    help="The pair of encoders, on CREMA-D's shapes.",
)
@click.option("--batch", default=64, show_default=True)
@click.option("--steps", default=2, show_default=True, help="Steps a round.")
@click.option("--rounds", default=9, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(backend, slugs, network, batch, steps, rounds, as_json):
    backends.start(backends.choose(backend)[0])
    import numpy as np
    from passes import per_epoch

    times = measure(slugs, network, batch, steps, rounds)
    expected = {}
    for slug in slugs:
        # The epochs that are timed come after the first ones.
        given = dict(ARGUMENTS.get(slug, {}))
        given.pop("modality", None)
        found = per_epoch(slug, given, 2, WARM + rounds)[WARM:]
        forward, backward = found.mean(0)
        expected[slug] = _round((forward + 2 * backward) / 6)
    plain = np.array(times.pop("plain"))
    rows = {
        slug: np.quantile(np.array(t) / plain, [0.5, 0.25, 0.75])
        for slug, t in times.items()
    }
    seconds = float(np.median(plain)) / steps
    report = {
        **setting(network, batch, steps, rounds),
        "plain_seconds": round(seconds, 5),
        "ratios": {
            slug: dict(
                zip(("median", "q1", "q3"), map(_round, row), strict=True),
                passes=expected[slug],
            )
            for slug, row in rows.items()
        },
    }
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    click.echo(
        ", ".join(f"{k}={v}" for k, v in report.items() if k != "ratios")
    )
    for slug, row in report["ratios"].items():
        quartiles = f"({row['q1']:.3f} to {row['q3']:.3f})"
        passes = f"passes {row['passes']:.3f}"
        click.echo(f"{slug:20} {row['median']:.3f}  {quartiles}  {passes}")


def setting(network, batch, steps, rounds):
    """What the figures are of."""
    import keras

    return {
        "backend": keras.config.backend(),
        "keras": keras.__version__,
        "data_format": keras.config.image_data_format(),
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "network": network,
        "batch": batch,
        "steps": steps,
        "rounds": rounds,
    }


def measure(slugs, network, batch, steps, rounds):
    """Seconds of each round: dict of lists, "plain" and each method."""
    data = repeated_batch(batch, steps)
    models = {"plain": plain_model(network)}
    for slug in slugs:
        models[slug] = methods.create(
            slug,
            encoders=encoders(network),
            num_classes=CLASSES,
            **ARGUMENTS.get(slug, {}),
        )
    times = {name: [] for name in models}
    for model in models.values():
        model.compile(optimizer=optimizer(), loss=loss(), metrics=["accuracy"])
        epochs(model, data, 0, WARM)
    for index in range(WARM, WARM + rounds):
        for name, model in models.items():
            times[name].append(epochs(model, data, index, index + 1))
    return times


def epochs(model, data, first, end):
    """Trains these epochs; the seconds of the last one's steps."""
    import keras

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            # Reading the loss waits for the step.
            float(logs["loss"])
            self.seconds = time.perf_counter() - self.start

    clock = Clock()
    held = data[0] if getattr(model, "needs_validation", False) else None
    model.fit(
        data,
        initial_epoch=first,
        epochs=end,
        validation_data=held,
        shuffle=False,
        verbose=0,
        callbacks=[clock],
    )
    return clock.seconds


def encoders(network):
    """Audio spectrogram and one frame, in the backend's data format."""
    import keras

    from keras_balance import encoders

    last = keras.config.image_data_format() == "channels_last"
    build = (
        encoders.resnet18 if network == "resnet18" else encoders.convolutional
    )
    audio, visual = shapes()
    return {
        "audio": build(audio if last else (audio[-1], *audio[:-1])),
        "visual": build(visual if last else (visual[-1], *visual[:-1])),
    }


def shapes():
    return (257, 188, 1), (224, 224, 3)


def plain_model(network):
    """The joint network as a functional Keras model."""
    import keras

    parts = encoders(network)
    inputs = {
        name: keras.Input(part.input_shape[1:], name=name)
        for name, part in parts.items()
    }
    features = [parts[name](x) for name, x in inputs.items()]
    logits = keras.layers.Dense(CLASSES)(keras.layers.concatenate(features))
    return keras.Model(inputs, logits)


def optimizer():
    import keras

    return keras.optimizers.SGD(1e-3, momentum=0.9)


def loss():
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def repeated_batch(batch, steps):
    """One random batch, `steps` times an epoch."""
    import keras
    import numpy as np

    random = np.random.default_rng(0)
    last = keras.config.image_data_format() == "channels_last"
    x = {}
    for name, shape in zip(("audio", "visual"), shapes(), strict=True):
        shape = shape if last else (shape[-1], *shape[:-1])
        x[name] = random.normal(size=(batch, *shape)).astype("float32")
    y = random.integers(0, CLASSES, batch).astype("int32")

    class Repeated(keras.utils.PyDataset):
        def __len__(self):
            return steps

        def __getitem__(self, index):
            return x, y

    return Repeated()


def _round(value):
    return round(float(value), 4)


if __name__ == "__main__":
    main()
