"""`keras-balance recipe NAME`: train, evaluate, write a run folder."""

import dataclasses
import functools
import subprocess
import sys
import typing

import click

from keras_balance.cli.screen import Screen
from keras_balance.cli.screen import print_json
from keras_balance.errors import UsageError
from keras_balance.runs import backend as backends
from keras_balance.runs import checks
from keras_balance.runs import plan as plans
from keras_balance.runs import recipe as recipes
from keras_balance.runs.config import type_name

VARIANTS = ("paper", "code")
REPEATED = "runs-repeated"


class RecipeGroup(click.Group):
    """One subcommand per recipe, each with its own help."""

    def list_commands(self, ctx):
        return recipes.names()

    def get_command(self, ctx, name):
        return _command(name, recipes.load(name))


@click.group("recipe", cls=RecipeGroup, invoke_without_command=True)
@click.option("--from", "run", help="Repeat the run of this folder.")
@click.option("--out", help=f"With --from: where to [{REPEATED}].")
@click.option("--data-dir", help="With --from: the data are here now.")
@click.option("--backend", help="With --from: another backend.")
@click.option("--resume", is_flag=True, help="With --from: continue.")
@click.option("--json", "as_json", is_flag=True, help="With --from: as JSON.")
@click.pass_context
def command(context, run, **options):
    """Train and evaluate a paper's experiment; write its report.

    \b
    keras-balance recipe NAME --help    a recipe's own options and fields
    keras-balance recipe --from RUN     a run again, from its folder alone
    """
    if run is None and context.invoked_subcommand is None:
        click.echo(context.get_help())
    if run is None:
        _refuse_options(context, options)
        return
    if context.invoked_subcommand is not None:
        raise UsageError(
            "Expected a recipe or --from RUN. Received: --from "
            f"{run} {context.invoked_subcommand}",
            f"keras-balance recipe --from {run}",
        )
    # It reads the run's files, with NumPy; listings do without.
    from keras_balance.cli.repeat import repeat

    repeat(run, options.pop("out") or REPEATED, **options)


def _refuse_options(context, options):
    """Options before a recipe's name would be ignored: say so."""
    given = [name for name, value in options.items() if value]
    if given:
        option = "--" + given[0].removeprefix("as_").replace("_", "-")
        name = context.invoked_subcommand or "NAME"
        raise UsageError(
            f"Expected {option} after the recipe's name, or with --from. "
            f"Received: {option} before it",
            f"keras-balance recipe {name} {option} ...",
        )


def _command(name, recipe):
    info = recipe.INFO
    return RecipeCommand(
        name,
        recipe=recipe,
        callback=functools.partial(main, name, recipe),
        params=_options(recipe),
        short_help=info.title,
        help=f"{info.title}\n\n{info.paper}\n\nNeeds: {info.needs}",
    )


class RecipeCommand(click.Command):
    """A recipe's command; its help ends with the fields of `--set`."""

    def __init__(self, name, recipe, **kwargs):
        super().__init__(name, **kwargs)
        self.recipe = recipe

    def format_epilog(self, ctx, formatter):
        hints = typing.get_type_hints(self.recipe.Config)
        defaults = self.recipe.VARIANTS["paper"]
        rows = []
        for field in dataclasses.fields(self.recipe.Config):
            default = defaults.get(field.name, field.default)
            text = f"{field.metadata['help']} [{_text(default)}]"
            kind = type_name(hints[field.name])
            rows.append((f"{field.name}={kind}", text))
        rows.append(("method.NAME=VALUE", "an argument of the method"))
        with formatter.section("Fields of --set, with the paper's values"):
            formatter.write_dl(rows)
        for title, values in (
            ("--variant code changes", self.recipe.VARIANTS["code"]),
            ("--demo changes", self.recipe.DEMO),
        ):
            texts = [f"{key}={_text(value)}" for key, value in values.items()]
            with formatter.section(title):
                formatter.write_text(" ".join(texts))


def _text(value):
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)


def _options(recipe):
    """The options of every recipe."""
    option = functools.partial(_option, show_default=True)
    default = recipe.INFO.default_method
    return [
        _option("--data-dir", help="Folder of the data set."),
        _option("--demo", is_flag=True, help="Small generated data, minutes."),
        option(
            "--method",
            "methods",
            multiple=True,
            default=[default],
            help="Slug of keras-balance methods; repeatable.",
        ),
        option("--variant", default="paper", help=" or ".join(VARIANTS)),
        _option(
            "--backend", help="tensorflow, jax or torch [KERAS_BACKEND, ...]."
        ),
        _option("--epochs", type=click.IntRange(1), help="Of all phases."),
        option(
            "--seed",
            "seeds",
            type=click.IntRange(0),
            multiple=True,
            default=[0],
            help="Repeatable.",
        ),
        _option(
            "--set",
            "pairs",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change a field below; repeatable.",
        ),
        option("--out", default="runs", help="Folder of the run folders."),
        _option("--cache-dir", help="Folder of prepared data [user's cache]."),
        option(
            "--on-error",
            type=click.Choice(["fail", "skip"]),
            default="fail",
            help="What to do about broken files.",
        ),
        _option("--resume", is_flag=True, help="Continue in the run folder."),
        _option("--dry-run", is_flag=True, help="Show the plan, do nothing."),
        _option(
            "--json", "as_json", is_flag=True, help="Print results as JSON."
        ),
        _option("--child", is_flag=True, hidden=True),
    ]


def _option(*names, **kwargs):
    return click.Option(list(names), **kwargs)


def main(name, recipe, **options):
    """What the command does."""
    found = _plans(name, recipe, options)
    with Screen() as screen:
        if not options["child"]:
            screen.line(f"backend: {found[0].backend}, {options['reason']}")
        if options["dry_run"]:
            _create_each(recipe, found)
            _show_plans(found, options["as_json"])
        elif len(found) == 1:
            _run_here(found[0], options, screen)
        else:
            _run_each(found, options, screen)


def _plans(name, recipe, options):
    """One `Plan` per method, modality and seed, all checked."""
    info = recipe.INFO
    slugs = list(dict.fromkeys(options["methods"]))
    for slug in slugs:
        checks.check_method(slug)
    given = (options["variant"], options["demo"], options["pairs"])
    resolved = {
        slug: plans.resolve(recipe, slug, *given, options["epochs"])
        for slug in slugs
    }
    modality = resolved[slugs[0]][0].modality
    checks.check_modality(info, modality, slugs)
    backend, options["reason"] = backends.choose(options["backend"])
    checks.check_data(info, options["demo"], options["data_dir"])
    shared = ("variant", "demo", "data_dir", "cache_dir", "out", "on_error")
    found = []
    for slug in slugs:
        config, overrides, arguments = resolved[slug]
        for name_of in _modalities(info, slug, modality):
            for seed in dict.fromkeys(options["seeds"]):
                plan = plans.Plan(
                    recipe=name,
                    method=slug,
                    backend=backend,
                    seed=seed,
                    config=dataclasses.replace(config, modality=name_of),
                    overrides=overrides,
                    method_arguments=arguments,
                    **{key: options[key] for key in shared},
                )
                found.append(plan)
    return found


def _modalities(info, slug, modality):
    """`unimodal` without a modality is run with each."""
    if slug == "unimodal" and not modality:
        return info.modalities
    return (modality,)


def _create_each(recipe, found):
    """Refuse what a run would refuse before it looks at the data."""
    from keras_balance.runs import backend

    backend.start(found[0].backend)
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


def _show_plans(found, as_json):
    documents = [
        {"folder": str(plan.folder().path), **plan.document()} for plan in found
    ]
    if as_json:
        print_json(documents)
        return
    for plan in found:
        click.echo(plan.folder().path)
    for key, value in documents[0]["config"].items():
        click.echo(f"  {key} = {_text(value)}")
    if found[0].overrides:
        click.echo("  changed by --demo: " + ", ".join(found[0].overrides))


def _run_here(plan, options, screen):
    from keras_balance.cli import results
    from keras_balance.runs.train import run

    words = [word for word in sys.argv[1:] if word != "--child"]
    folder = run(plan, options["resume"], screen, words)
    screen.close()
    if options["child"]:
        results.draw(folder)
    else:
        results.show_run(folder, options["as_json"])


def _run_each(found, options, screen):
    from keras_balance.cli import results
    from keras_balance.cli.children import run_children

    for plan in found:
        plan.folder().check(plan.document(), options["resume"])
    _check_each()
    run_children(found, options, screen)
    folders = [plan.folder().path for plan in found]
    results.show_comparison(folders, options["as_json"], folders[0].parent)
