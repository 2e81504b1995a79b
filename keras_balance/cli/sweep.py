"""`keras-balance sweep RECIPE`: tune settings on the validation part."""

import importlib.util
import pathlib
import shlex
import subprocess

import click

from keras_balance.atomic import room
from keras_balance.cli.children import child
from keras_balance.cli.children import command_line
from keras_balance.cli.screen import Screen
from keras_balance.cli.screen import print_json
from keras_balance.cli.screen import print_table
from keras_balance.errors import UsageError
from keras_balance.runs import backend as backends
from keras_balance.runs import checks
from keras_balance.runs import plan as plans
from keras_balance.runs import recipe as recipes
from keras_balance.runs import search_space
from keras_balance.runs import sweep_checks


@click.command("sweep", short_help="Tune settings on validation data.")
@click.argument("recipe")
@click.option("--method", "methods", multiple=True, help="Repeatable.")
@click.option(
    "--tune",
    "tunes",
    multiple=True,
    required=True,
    metavar="NAME=VALUES",
    help="v1,v2,... or low:high or low:high:log, of a field of --set or of "
    "method.NAME; repeatable.",
)
@click.option(
    "--trials",
    type=click.IntRange(1),
    required=True,
    help="Of each method, failed ones too.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the runs and of what is tried.",
)
@click.option("--out", help="Folder of the sweep [sweeps/RECIPE].")
@click.option("--data-dir", help="Folder of the data set.")
@click.option("--cache-dir", help="Folder of prepared data [user's cache].")
@click.option("--demo", is_flag=True, help="Small generated data, minutes.")
@click.option(
    "--variant", default="paper", show_default=True, help="paper or code."
)
@click.option("--backend", help="tensorflow, jax or torch.")
@click.option("--epochs", type=click.IntRange(1), help="Of all phases.")
@click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of every trial; repeatable.",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    help="What to do about broken files.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(recipe, **options):
    """Tune settings on validation data, as many trials for every method.

    A trial is a run of its own; what counts is the validation accuracy of
    its selected epoch. The test part is never looked at. The same command
    continues a sweep that was interrupted; with more --trials it adds some.
    Needs pip install "keras-balance[sweep]".

    \b
    keras-balance sweep avdigits-ogm --demo --method joint --method ogm-ge \\
        --tune learning_rate=0.003:0.3:log --trials 8
    """
    if not importlib.util.find_spec("optuna"):
        raise UsageError(
            "Expected Optuna, which chooses what is tried. Received: none "
            "installed",
            'pip install "keras-balance[sweep]"',
        )
    try:
        with Screen() as screen:
            _sweep(recipe, options, screen)
    except KeyboardInterrupt:
        click.echo("Error: Interrupted.\nNext: the same command", err=True)
        raise click.exceptions.Exit(130) from None


def _sweep(name, options, screen):
    from keras_balance.runs.sweep import Sweep

    recipe = recipes.load(name)
    options["out"] = options["out"] or f"sweeps/{name}"
    options["backend"], reason = backends.choose(options["backend"])
    methods = list(dict.fromkeys(options["methods"]))
    methods = methods or [recipes.info(name).default_method]
    checks.check_data(recipes.info(name), options["demo"], options["data_dir"])
    for slug in methods:
        checks.check_method(slug)
    space = search_space.parse_tune(
        recipe.Config, options["tunes"], sweep_checks.arguments(methods)
    )
    sweep_checks.check_free(space, options["pairs"], options["epochs"])
    for slug in methods:
        plan = _plan(name, slug, [], options)
        sweep_checks.check_judged(plan, recipes.info(name))
        checks.check_settings(recipes.info(name), recipe, plan.config)
    spaces = sweep_checks.spaces(space, methods, options["trials"])
    screen.line(f"backend: {options['backend']}, {reason}")
    sweep = Sweep(options["out"], options["seed"])
    document = _document(name, methods, options)
    with sweep.claimed(), room(sweep.folder):
        sweep.start(document)
        for slug, own in spaces.items():
            while trial := sweep.next_trial(slug, own, options["trials"]):
                _run(name, trial, sweep, options, screen)
                _records(name, sweep, document, spaces, options)
        records = _records(name, sweep, document, spaces, options)
    _show(records, options)


def _plan(name, slug, tuned, options, out=""):
    """The `Plan` of a method with `tuned` texts for `--set`."""
    pairs = [*options["pairs"], *tuned]
    return plans.make(name, slug, pairs, {**options, "out": str(out)})


def _document(name, methods, options):
    """What sweep.json holds."""
    left_out = ("out", "cache_dir", "as_json")
    kept = {k: v for k, v in options.items() if k not in left_out}
    return {"recipe": name, **kept, "methods": methods}


def _run(name, trial, sweep, options, screen):
    """Run one trial in a process of its own; record how it ended."""
    out = sweep.folder / trial.method / f"trial-{trial.number:03d}"
    plan = _plan(name, trial.method, trial.pairs, options, out)
    screen.line(
        f"{trial.method}, trial {trial.number + 1}/{options['trials']}: "
        + " ".join(trial.pairs)
    )
    code = subprocess.call(child(plan, resume=True))
    if code in (2, 130) or code < 0:
        raise click.exceptions.Exit(code if code > 0 else 1)
    if code:
        sweep.fail(trial)
    else:
        sweep.finish(trial, plan.folder().path)


def _records(name, sweep, document, spaces, options):
    """Write the records; returns `(trials, best)`, both by method."""
    from keras_balance.runs.sweep_records import write_trials

    trials, best = {}, {}
    for slug in spaces:
        trials[slug] = sweep.trials(slug, options["trials"])
        found = sweep.best(slug, options["trials"])
        best[slug] = found and {
            "trial": found.number,
            "settings": found.settings,
            **found.result,
            "command": _command(name, found, options),
        }
    names = dict.fromkeys(n for own in spaces.values() for n in own)
    flat = [trial for own in trials.values() for trial in own]
    write_trials(sweep.folder, document, names, flat, best)
    return trials, best


def _command(name, trial, options):
    """What to type to run a trial's settings again."""
    plan = _plan(name, trial.method, trial.pairs, options, "runs")
    return shlex.join(["keras-balance", *command_line(plan)])


def _show(records, options):
    trials, best = records
    folder = pathlib.Path(options["out"])
    if options["as_json"]:
        print_json({"trials": str(folder / "trials.csv"), "best": best})
        return
    rows = [
        [
            slug,
            str(len(own)),
            str(sum(trial.state == "failed" for trial in own)),
            *_best_cells(best[slug]),
        ]
        for slug, own in trials.items()
    ]
    columns = ["method", "trials", "failed", "validation accuracy", "with"]
    print_table(columns, rows, title="best of each method, on validation data")
    for found in best.values():
        if found:
            click.echo(found["command"])
    click.echo(
        "For a comparison repeat --seed, with seeds that were not tuned on."
    )
    click.echo(f"trials: {(folder / 'trials.csv').resolve()}")


def _best_cells(found):
    if found is None:
        return ["–", "every trial failed"]
    pairs = [f"{name}={text}" for name, text in found["settings"].items()]
    return [f"{found['validation_accuracy']:.4f}", " ".join(pairs)]
