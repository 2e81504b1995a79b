"""A small run of avdigits-ogm, evaluated again in many states.

    python evaluating.py FOLDER

Runs on the backend of KERAS_BACKEND. Prints one JSON document: by case, the
message and the hint of the error, or what differs from the run's own numbers.
"""

import json
import os
import pathlib
import shutil
import sys

from keras_balance.errors import UsageError
from keras_balance.runs import plan as plans
from keras_balance.runs import recipe as recipes
from keras_balance.runs import train
from keras_balance.runs.evaluate import evaluate_run

FOLDER = pathlib.Path(sys.argv[1])
SETTINGS = (
    "samples=60",
    "width=2",
    "blocks=1",
    "seconds=0.25",
    "batch_size=16",
    "probe_every=0",
)
WRITTEN = ("evaluation.json", "outputs.npz")


class Silent:
    """A screen that shows nothing."""

    def line(self, text):
        pass

    def step(self, done, total, description):
        pass

    def balance(self, rows):
        pass


def trained():
    """The folder of the run."""
    recipe = recipes.load("avdigits-ogm")
    config, overrides, arguments = plans.resolve(
        recipe, "ogm-ge", "paper", True, SETTINGS, 2
    )
    plan = plans.Plan(
        recipe="avdigits-ogm",
        method="ogm-ge",
        variant="paper",
        backend=os.environ["KERAS_BACKEND"],
        seed=3,
        demo=True,
        config=config,
        overrides=overrides,
        method_arguments=arguments,
        data_dir=None,
        cache_dir=str(FOLDER / "cache"),
        out=str(FOLDER / "runs"),
        on_error="fail",
    )
    return train.run(plan, False, Silent()).path


def edited(name, **changes):
    """A change of a JSON file; None takes a key out."""

    def change(folder):
        document = json.loads((folder / name).read_text()) | changes
        kept = {k: v for k, v in document.items() if v is not None}
        (folder / name).write_text(json.dumps(kept))

    return change


def without(*names):
    """Takes files out."""

    def change(folder):
        for name in names:
            (folder / name).unlink()

    return change


def cut(name):
    """Leaves the first half of a file."""

    def change(folder):
        os.truncate(folder / name, (folder / name).stat().st_size // 2)

    return change


def torn(folder):
    """A history whose last row is not whole."""
    os.truncate(
        folder / "history.jsonl",
        (folder / "history.jsonl").stat().st_size - 9,
    )


def one_epoch(folder):
    """What is there after the first epoch."""
    rows = (folder / "history.jsonl").read_text().splitlines()
    (folder / "history.jsonl").write_text(rows[0] + "\n")


def wider(folder):
    """A configuration that the checkpoint does not fit."""
    document = json.loads((folder / "config.json").read_text())
    edited("config.json", config={**document["config"], "width": 3})(folder)


def of_another_version(folder):
    document = json.loads((folder / "config.json").read_text())
    config = {**document["config"], "speed": 1}
    config.pop("width")
    edited("config.json", config=config)(folder)


BEST = "checkpoints/best.npz"
CASES = {
    "as it is": lambda folder: None,
    "nothing written": without(*WRITTEN),
    "model.keras alone": without(BEST, "state.npz"),
    "no checkpoint": without(BEST, "model.keras"),
    "half a checkpoint": cut(BEST),
    "half a state": cut("state.npz"),
    "a torn history": torn,
    "no history": without("history.jsonl"),
    "one epoch": one_epoch,
    "no config": without("config.json"),
    "no environment": without("environment.json"),
    "other data": edited("environment.json", data_checksum="0123456789abc"),
    "no data": edited("config.json", demo=False),
    "another version": of_another_version,
    "other shapes": wider,
}


def differences(folder, run):
    """What is not as in the run's own folder."""
    found = []
    first, second = (
        json.loads((path / "evaluation.json").read_text())
        for path in (run, folder)
    )
    # Seconds are of each process.
    names = first.keys() - {"seconds"}
    found += [name for name in names if first[name] != second.get(name)]
    for name in WRITTEN[1:]:
        if not (folder / name).is_file():
            found.append(name)
    one, other = ((path / "outputs.npz").read_bytes() for path in (run, folder))
    return found + ([] if one == other else ["bytes of outputs.npz"])


def case(run, name):
    folder = FOLDER / name.replace(" ", "-")
    shutil.copytree(run, folder)
    CASES[name](folder)
    try:
        done = evaluate_run(folder, Silent())
    except UsageError as error:
        return {"message": error.message, "hint": error.hint}
    assert done.path == folder
    return {"differences": differences(folder, run)}


def main():
    run = trained()
    results = {name: case(run, name) for name in CASES}
    try:
        evaluate_run(FOLDER / "nowhere", Silent())
    except UsageError as error:
        results["no folder"] = {"message": error.message, "hint": error.hint}
    results["analysed"] = json.loads((run / "evaluation.json").read_text())
    print(json.dumps(results))


if __name__ == "__main__":
    main()
