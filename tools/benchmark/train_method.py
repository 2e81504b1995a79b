"""Trains one method on one data set: its trials, then its seeds.

    python train_method.py DATA METHOD OUT

Started by methods.py, one process for each method and data set.
"""

import functools
import json
import pathlib
import sys
import time

import keras
import numpy as np
from benchmark_data import read_arrays
from methods import BATCH
from methods import CODE
from methods import JOINT_EPOCHS
from methods import MOST_EPOCHS
from methods import SEEDS
from methods import best_trial
from methods import code_settings
from methods import read
from methods import run_path
from methods import save
from methods import trials
from passes import epochs_within

import keras_balance as kb
from keras_balance.metrics import accuracy
from keras_balance.metrics import macro_f1
from keras_balance.runs.method import parameters

DIVERGED = {
    "epochs": 0,
    "passes": 0.0,
    "seconds_an_epoch": 0.0,
    "validation": 0.0,
    "accuracy": 0.0,
    "macro_f1": 0.0,
    "per_modality": {},
    "gap": None,
}


def main(name, slug, out):
    out = pathlib.Path(out)
    parts = read_arrays(out / f"{name}.npz")
    choices = trials(name, slug)
    for index, chosen in enumerate(choices):
        ensure(out, name, slug, parts, index, chosen, SEEDS[0])
    best = best_trial(out, name, slug)
    for seed in SEEDS[1:]:
        ensure(out, name, slug, parts, best, choices[best], seed)
    if takes_variant(slug):
        chosen = {**choices[best], "variant": "code", **code_settings(slug)}
        for seed in SEEDS:
            ensure(out, name, slug, parts, CODE, chosen, seed)


def takes_variant(slug):
    """Whether the authors' code differs from their paper."""
    return "variant" in parameters(slug)


def ensure(out, name, slug, parts, index, chosen, seed):
    """Trains unless the run's file is there."""
    path = run_path(out, name, slug, index, seed)
    done = read(path)
    if done is None or done["hyperparameters"] != chosen:
        try:
            result = train(name, slug, parts, chosen, seed)
        except ValueError as error:
            if "The loss was NaN" not in str(error):
                raise
            # A trial that diverges loses; a chosen one shows as 0.
            result = {**DIVERGED, "hyperparameters": chosen, "seed": seed}
        save(path, result)


def train(name, slug, parts, chosen, seed):
    """One run: a dict with what it reached."""
    modalities = list(parts["train"][0])
    arguments = {k: v for k, v in chosen.items() if k != "learning_rate"}
    if slug == "unimodal":
        return train_each_alone(name, parts, chosen, seed)
    epochs, passes = affordable(
        name, slug, json.dumps(arguments), len(modalities)
    )
    model, seconds = fit(name, slug, parts, chosen, seed, epochs, arguments)
    found = kb.evaluation.outputs(model, parts["test"], 256)
    held = kb.evaluation.outputs(model, parts["validation"], 256)
    own = {
        m: 100 * accuracy(found["labels"], found[f"unimodal/{m}"])
        for m in modalities
        if f"unimodal/{m}" in found
    }
    return {
        "hyperparameters": chosen,
        "seed": seed,
        "epochs": epochs,
        "passes": passes,
        "seconds_an_epoch": seconds,
        "validation": 100 * accuracy(held["labels"], held["logits"]),
        "accuracy": 100 * accuracy(found["labels"], found["logits"]),
        "macro_f1": 100 * macro_f1(found["labels"], found["logits"]),
        "per_modality": own,
        "gap": max(own.values()) - min(own.values()) if own else None,
    }


@functools.cache
def affordable(name, slug, arguments, count):
    """Epochs within joint training's budget, and their passes."""
    joint = JOINT_EPOCHS[name]
    return epochs_within(
        2 * count * joint,
        slug,
        json.loads(arguments),
        count,
        MOST_EPOCHS * joint,
    )


def train_each_alone(name, parts, chosen, seed):
    """Every modality by itself, each for joint training's epochs.

    Together they cost what joint training costs; the accuracy is that of the
    best one by validation.
    """
    epochs = JOINT_EPOCHS[name]
    results, seconds = {}, 0.0
    for modality in parts["train"][0]:
        model, one = fit(
            name,
            "unimodal",
            parts,
            chosen,
            seed,
            epochs,
            {"modality": modality},
        )
        found = kb.evaluation.outputs(model, parts["test"], 256)
        held = kb.evaluation.outputs(model, parts["validation"], 256)
        results[modality] = (
            100 * accuracy(held["labels"], held["logits"]),
            100 * accuracy(found["labels"], found["logits"]),
            100 * macro_f1(found["labels"], found["logits"]),
        )
        seconds += one
    best = max(results.values())
    own = {m: r[1] for m, r in results.items()}
    return {
        "hyperparameters": chosen,
        "seed": seed,
        "epochs": epochs,
        "passes": 2.0 * len(own) * epochs,
        "seconds_an_epoch": seconds,
        "validation": best[0],
        "accuracy": best[1],
        "macro_f1": best[2],
        "per_modality": own,
        "gap": max(own.values()) - min(own.values()),
    }


def fit(name, slug, parts, chosen, seed, epochs, arguments):
    """The trained model and its CPU seconds an epoch."""
    x, y = parts["train"]
    keras.utils.set_random_seed(seed)
    model = kb.methods.create(
        slug,
        encoders={m: encoder(values.shape[1:]) for m, values in x.items()},
        num_classes=int(y.max()) + 1,
        **arguments,
    )
    rate = chosen["learning_rate"]
    model.compile(optimizer=keras.optimizers.SGD(rate, momentum=0.9))

    def schedule(epoch):
        return rate if epoch < 0.7 * epochs else 0.1 * rate

    start = time.process_time()
    model.fit(
        x,
        y,
        batch_size=BATCH[name],
        epochs=epochs,
        validation_data=parts["validation"] if model.needs_validation else None,
        verbose=0,
        callbacks=[keras.callbacks.LearningRateScheduler(schedule)],
    )
    return model, (time.process_time() - start) / epochs


def encoder(shape):
    """Convolutions on images and spectrograms, dense layers on vectors."""
    if len(shape) == 1:
        return kb.encoders.dense(shape, (64,), features=32)
    return kb.encoders.convolutional(
        shape, (8, 16, 32), features=32, data_format="channels_first"
    )


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main(*sys.argv[1:])
