"""What `keras-balance recipe NAME` does: plans, then runs."""

import dataclasses
import subprocess
import sys

import click

from keras_balance.cli.screen import Screen
from keras_balance.cli.screen import print_json
from keras_balance.errors import UsageError
from keras_balance.runs import backend as backends
from keras_balance.runs import checks
from keras_balance.runs import plan as plans
from keras_balance.runs import recipe as recipes
from keras_balance.runs import stages
from keras_balance.runs.config import to_text


def main(name, recipe, options):
    """Runs, shows or lists what the options ask for.

    Args:
        name: of the recipe.
        recipe: its module.
        options: dict, as `keras_balance.cli.recipe` defines them.
    """
    slugs = options["methods"] or [recipes.info(name).default_method]
    wanted = [(slug, options["pairs"]) for slug in dict.fromkeys(slugs)]
    found = find_plans(name, recipe, options, wanted)
    with Screen() as screen:
        say_backend(found, options, screen)
        if options["dry_run"]:
            show_plans(recipe, found, options["as_json"])
        elif len(found) == 1:
            _run_here(recipe, found[0], options, screen)
        else:
            folders = run_each(found, options, screen)
            _compare(folders, options)


def find_plans(name, recipe, options, wanted):
    """The runs that are asked for, all checked.

    Args:
        name: of the recipe.
        recipe: its module.
        options: dict of the command's options; the reason for the backend is
            added to it.
        wanted: list of `(slug, pairs)`: methods and their texts of `--set`.

    Returns:
        list of `Plan`: one for each method, modality, fold and seed.

    Raises:
        UsageError: something that is refused without Keras.
    """
    info = recipes.info(name)
    slugs = [slug for slug, _ in wanted]
    for slug in slugs:
        checks.check_method(slug)
    backend, options["reason"] = backends.choose(options["backend"])
    given = {**options, "backend": backend, "seed": None}
    made = [plans.make(name, slug, pairs, given) for slug, pairs in wanted]
    for plan in made:
        checks.check_modality(info, plan.config.modality, slugs)
    if not options["listed"]:
        checks.check_data(info, options["demo"], options["data_dir"])
    found = [
        dataclasses.replace(
            plan,
            seed=seed,
            config=dataclasses.replace(plan.config, modality=modality, **fold),
        )
        for plan in made
        for modality in _modalities(info, plan)
        for fold in _folds(options)
        for seed in dict.fromkeys(options["seeds"])
    ]
    if not options["listed"]:
        for plan in found:
            checks.check_settings(info, recipe, plan.config)
            stages.check(recipe, plan)
    return found


def _folds(options):
    """What each value of --fold changes; once nothing without the option."""
    folds = dict.fromkeys(options.get("folds", ()))
    given = [p for p in options["pairs"] if p.startswith("fold=")]
    if folds and given:
        raise UsageError(
            f"Expected --fold or --set fold=. Received: both, --set {given[-1]}"
        )
    return [{"fold": fold} for fold in folds] or [{}]


def _modalities(info, plan):
    """`unimodal` without a modality is run with each."""
    if plan.method == "unimodal" and not plan.config.modality:
        return info.modalities
    return (plan.config.modality,)


def say_backend(found, options, screen):
    """Says once which backend it is, and what was set to no effect."""
    if options["child"]:
        return
    screen.line(f"backend: {found[0].backend}, {options['reason']}")
    texts = [text for plan in found for text in plan.without_effect()]
    for text in dict.fromkeys(texts):
        screen.line(f"note: {text}")


def show_plans(recipe, found, as_json):
    """Creates every model, which refuses what a run would; prints the plans.

    Args:
        recipe: the recipe's module.
        found: list of `Plan`.
        as_json: boolean.
    """
    _create_each(recipe, found)
    documents = [
        {"folder": str(plan.folder().path), **plan.document()} for plan in found
    ]
    if as_json:
        print_json(documents)
        return
    for plan in found:
        click.echo(plan.folder().path)
    for key, value in documents[0]["config"].items():
        click.echo(f"  {key} = {to_text(value)}")
    if found[0].overrides:
        click.echo("  changed by --demo: " + ", ".join(found[0].overrides))


def _create_each(recipe, found):
    backends.start(found[0].backend)
    from keras_balance.runs import build

    for plan in found:
        build.create(recipe, plan)


def _check_each():
    """Refuse a run that would fail at its start before the first one starts.

    In a process of its own: the backend may take a whole device.
    """
    words = [sys.executable, "-m", "keras_balance.cli", *sys.argv[1:]]
    done = subprocess.run(
        [*words, "--dry-run"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    if done.returncode:
        sys.stderr.write(done.stderr.decode(errors="replace"))
        raise click.exceptions.Exit(done.returncode)


def _run_here(recipe, plan, options, screen):
    from keras_balance.cli import results
    from keras_balance.runs.train import run

    resume = _after_stages(recipe, plan, options, screen)
    words = [word for word in sys.argv[1:] if word != "--child"]
    folder = run(plan, resume, screen, words)
    screen.close()
    if options["child"]:
        results.draw(folder)
    else:
        results.show_run(folder, options["as_json"])


def _after_stages(recipe, plan, options, screen):
    """Trains what comes before; returns whether the folder has files now."""
    from keras_balance.cli.children import run_stages

    own = stages.own_plans(recipe, plan)
    left = {k: one for k, one in own.items() if not one.folder().complete}
    plan.folder().check(plan.document(), options["resume"])
    if left and not options["child"]:
        _check_each()
    run_stages(left, screen)
    return options["resume"] or bool(own)


def run_each(found, options, screen):
    """Run several plans, each in a process of its own.

    Args:
        found: list of `Plan`.
        options: dict of the command's options.
        screen: `Screen`.

    Returns:
        list of the paths of their run folders.
    """
    from keras_balance.cli.children import run_children

    for plan in found:
        plan.folder().check(plan.document(), options["resume"])
    if found:
        _check_each()
    run_children(found, options["resume"], screen)
    return [plan.folder().path for plan in found]


def _compare(folders, options):
    from keras_balance.cli import results

    results.show_comparison(folders, options["as_json"], folders[0].parent)
