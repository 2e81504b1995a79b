"""A recipe's data: generated or real, prepared, split and batched."""

import dataclasses
import hashlib
import json
import pathlib
import shutil

from keras_balance import data as datasets
from keras_balance import locks
from keras_balance.atomic import room
from keras_balance.atomic import write_json
from keras_balance.runs import recipe as recipes

SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Parts:
    """The three parts of a data set, as `fit` and `evaluate` take them.

    Attributes:
        train: `BatchDataset`, shuffled by (seed, epoch).
        validation: `BatchDataset`, or None where the split has none.
        test: `BatchDataset`.
        prepared: `PreparedData`.
        notes: list of texts for the report.
    """

    train: object
    validation: object
    test: object
    prepared: object
    notes: list


def load(recipe, plan, progress):
    """Prepare the data set of a recipe and batch its parts.

    Args:
        recipe: the recipe's module.
        plan: `Plan`.
        progress: callable `(done, total, description)`.

    Returns:
        `Parts`.
    """
    info = recipes.info(plan.recipe)
    dataset = datasets.get(info.dataset)
    cache = pathlib.Path(plan.cache_dir or datasets.default_cache_dir())
    folder = plan.data_dir
    if plan.demo:
        folder = demo_folder(recipe, info.dataset, cache, progress)
    settings = dataset.settings(**recipe.settings(plan.config))
    prepared = dataset.prepare(
        folder, cache, settings, on_error=plan.on_error, progress=progress
    )
    split = dataset.split(prepared, folder, settings)
    size, seed = plan.config.batch_size, plan.seed

    def part(indices, shuffle=False):
        if not len(indices):
            return None
        return datasets.BatchDataset(prepared, indices, size, seed, shuffle)

    notes = [*split.description, *prepared.notes, *grouped(prepared.warnings)]
    if prepared.skipped:
        notes.append(f"{len(prepared.skipped)} broken samples were left out")
    return Parts(
        train=part(split.train, shuffle=True),
        validation=part(split.validation),
        test=part(split.test),
        prepared=prepared,
        notes=notes,
    )


def grouped(warnings):
    """Warnings that say the same of several samples, as one text each.

    Args:
        warnings: list of texts `name: what`.

    Returns:
        list of texts; those of one sample as they were.
    """
    names = {}
    for warning in warnings:
        name, _, text = warning.partition(": ")
        names.setdefault(text, []).append(name)
    return [f"{_named(own)}: {text}" for text, own in names.items()]


def _named(samples):
    if len(samples) == 1:
        return samples[0]
    more = ", ..." if len(samples) > SHOWN else ""
    return f"{len(samples)} samples ({', '.join(samples[:SHOWN])}{more})"


def demo_folder(recipe, name, cache, progress):
    """The generated data set of `--demo`, written once to the cache.

    It is sealed by a file written last: a killed generation starts again.
    What another recipe generates of the same data set stands beside it.
    """
    digest = hashlib.sha256(json.dumps(recipe.DEMO_DATA).encode()).hexdigest()
    folder = cache / "demo" / f"{name}-{digest[:8]}"
    seal = folder / "demo.json"
    with locks.waiting(folder.with_suffix(".lock")):
        if not seal.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            with room(folder):
                datasets.get(name).write_demo(
                    folder, **recipe.DEMO_DATA, progress=progress
                )
            write_json(seal, recipe.DEMO_DATA)
    return folder
