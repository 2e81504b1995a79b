"""Runs of avdigits-ogm that are killed, and one that is not.

    python killing.py BACKEND FOLDER

One process imports Keras and its backend and runs no operation; every run is
a fork of it, which saves the seconds of the imports. Prints one JSON document:
what differed between a killed run and the unkilled one.
"""

import importlib
import importlib.util
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import time
import traceback

BACKEND, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
os.environ["KERAS_BACKEND"] = BACKEND
# Every fork compiles the same step: on JAX the first one's is kept.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(FOLDER / "jax")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_balance.evaluation.analysis as analysis  # noqa: E402
import keras_balance.evaluation.summary as summary  # noqa: E402
import keras_balance.reports.report as report  # noqa: E402
from keras_balance import encoders  # noqa: E402
from keras_balance import optimizers  # noqa: E402
from keras_balance.cli import results  # noqa: E402
from keras_balance.methods import ogm  # noqa: E402
from keras_balance.runs import backend as backends  # noqa: E402
from keras_balance.runs import callbacks  # noqa: E402
from keras_balance.runs import plan as plans  # noqa: E402
from keras_balance.runs import recipe as recipes  # noqa: E402
from keras_balance.runs import train  # noqa: E402

# What the parent has loaded, a fork need not load; Keras's data adapters
# import TensorFlow on every backend where it is installed.
LOADED = (keras, analysis, encoders, optimizers, ogm, callbacks, backends)
for name in ("tensorflow", "matplotlib.backends.backend_svg"):
    if importlib.util.find_spec(name):
        importlib.import_module(name)
RANDOM_KILLS = 20
EPOCHS = 4
SETTINGS = [
    "samples=60",
    "width=2",
    "blocks=1",
    "seconds=0.25",
    "batch_size=16",
]
FILES = ("history.csv", "history.jsonl", "evaluation.json")


def with_dropout(network):
    """The recipe's network with hidden randomness: unseeded Dropout."""

    def build(config):
        parts = network(config)
        parts["encoders"] = {
            name: keras.Sequential([encoder, keras.layers.Dropout(0.3)])
            for name, encoder in parts["encoders"].items()
        }
        return parts

    return build


class Silent:
    """A screen that shows nothing."""

    def line(self, text):
        print(text, flush=True)

    def step(self, done, total, description):
        pass

    def balance(self, rows):
        pass


def plan_of(name):
    recipe = recipes.load("avdigits-ogm")
    config, overrides, arguments = plans.resolve(
        recipe, "ogm-ge", "paper", True, SETTINGS, EPOCHS
    )
    return plans.Plan(
        recipe="avdigits-ogm",
        method="ogm-ge",
        variant="paper",
        backend=BACKEND,
        seed=3,
        demo=True,
        config=config,
        overrides=overrides,
        method_arguments=arguments,
        data_dir=None,
        cache_dir=str(FOLDER / "cache"),
        out=str(FOLDER / name),
        on_error="fail",
    )


def fork(name, hook=None):
    """Start or continue the run `name` in a fork; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    log = os.open(FOLDER / "log.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        if hook:
            hook()
        results.draw(train.run(plan_of(name), resume=True, screen=Silent()))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait(pid):
    """0 for a run that ended, -9 for one that was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def at_replace(target, moment):
    """A hook that kills before, inside or after replacing a file."""

    def hook():
        replace = os.replace

        def killing(source, path):
            if pathlib.Path(path).name != target:
                return replace(source, path)
            if moment == "inside":
                # What a kill in the middle of writing leaves.
                os.truncate(source, os.path.getsize(source) // 2)
            if moment == "after":
                replace(source, path)
            return die()

        os.replace = killing

    return hook


def at_call(module, function):
    """A hook that kills when a function is called."""

    def hook():
        setattr(module, function, lambda *args, **kwargs: die())

    return hook


HOOKS = {
    "before the best checkpoint": at_replace("best.npz", "before"),
    "before the state": at_replace("state.npz", "before"),
    "inside the state": at_replace("state.npz", "inside"),
    "after the state": at_replace("state.npz", "after"),
    "between state and logs": at_replace("history.csv", "before"),
    "while the model is saved": at_replace("model.keras", "inside"),
    "during evaluation": at_call(summary, "summarize"),
    "before evaluation.json": at_replace("evaluation.json", "before"),
    "during the report": at_call(report, "page"),
    "before the report": at_replace("report.html", "inside"),
}


def result(name):
    """What must be equal: the weights, the state, the logs' bytes."""
    folder = plan_of(name).folder()
    found = {}
    for file in (folder.state, folder.best, folder.path / "outputs.npz"):
        with np.load(file) as arrays:
            for key in arrays.files:
                found[f"{file.name}/{key}"] = arrays[key].tobytes()
    for file in FILES:
        text = (folder.path / file).read_text()
        if file == "evaluation.json":
            # Seconds are of the last process.
            document = json.loads(text)
            document.pop("seconds")
            text = json.dumps(document)
        found[file] = text.encode()
    found["report"] = str(folder.report.is_file()).encode()
    return found


def differences(name, expected):
    found = result(name)
    keys = found.keys() | expected.keys()
    return sorted(k for k in keys if found.get(k) != expected.get(k))


def hooked(expected, differing):
    """One run that is killed at every hook, in turn."""
    for title, hook in HOOKS.items():
        code = wait(fork("hooked", hook))
        if code != -signal.SIGKILL:
            differing[title] = [f"exit code {code}"]
    code = wait(fork("hooked"))
    differing["hooked"] = (
        [f"exit code {code}"] if code else differences("hooked", expected)
    )


def randomly(expected, differing, seconds):
    """Kills at random moments until there were enough, over several runs."""
    rng = random.Random(0)
    kills = number = 0
    while kills < RANDOM_KILLS:
        name, before = f"random{number}", kills
        while True:
            enough = kills >= RANDOM_KILLS
            begin = time.monotonic()
            pid = fork(name)
            if not enough:
                time.sleep(rng.uniform(0, seconds))
                os.kill(pid, signal.SIGKILL)
            code = wait(pid)
            if code == 0:
                if kills == before:
                    # A whole run: the one before was timed when it was busier.
                    seconds = min(seconds, time.monotonic() - begin)
                break
            if code != -signal.SIGKILL:
                differing[name] = [f"exit code {code}"]
                return kills
            kills += 1
        differing[name] = differences(name, expected)
        shutil.rmtree(FOLDER / name)
        number += 1
    return kills


def main():
    recipe = recipes.load("avdigits-ogm")
    recipe.network = with_dropout(recipe.network)
    # Its events are not resumed, and TensorFlow is slow to import.
    callbacks.tensorboard = lambda folder: []
    # They follow from the weights and the outputs, and take most of a run.
    analysis.analyse = lambda *parts: {}
    report.SECTIONS = report.SECTIONS[:2]
    begin = time.monotonic()
    if wait(fork("unkilled")):
        sys.exit((FOLDER / "log.txt").read_text())
    first = time.monotonic() - begin
    # The first run wrote the demo set as well: time another.
    begin = time.monotonic()
    wait(fork("again"))
    seconds = time.monotonic() - begin
    expected = result("unkilled")
    differing = {"again": differences("again", expected)}
    hooked(expected, differing)
    kills = randomly(expected, differing, seconds)
    print(
        json.dumps(
            {
                "differing": {k: v for k, v in differing.items() if v},
                "runs": len(differing),
                "random_kills": kills,
                "first_seconds": first,
                "run_seconds": seconds,
            }
        )
    )


main()
