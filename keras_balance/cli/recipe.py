"""`keras-balance recipe NAME`: train, evaluate, write a run folder."""

import dataclasses
import functools
import typing

import click

from keras_balance.errors import UsageError
from keras_balance.runs import recipe as recipes
from keras_balance.runs.config import to_text
from keras_balance.runs.config import type_name
from keras_balance.runs.method_settings import all_settings

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
    info = recipes.info(name)
    return RecipeCommand(
        name,
        recipe=recipe,
        callback=functools.partial(_call, name, recipe),
        params=_options(info, recipe),
        short_help=info.title,
        help=f"{info.title}\n\n{info.paper}\n\nNeeds: {info.needs}",
    )


def _call(name, recipe, **options):
    # Listings and help do without what runs need.
    if options["published"] or options["listed"]:
        from keras_balance.cli.recipe_published import published

        published(name, recipe, options)
        return
    from keras_balance.cli.recipe_runs import main

    main(name, recipe, options)


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
            source = field.metadata["source"]
            text = f"{field.metadata['help']} [{to_text(default)}; {source}]"
            kind = type_name(hints[field.name])
            rows.append((f"{field.name}={kind}", text))
        rows.append(("method.NAME=VALUE", "an argument of the method"))
        with formatter.section("Fields of --set [value; where it is from]"):
            formatter.write_dl(rows)
        own = {}
        for where, one in all_settings(self.recipe):
            text = f"{one.name}={to_text(one.value)} [{one.source}]"
            own.setdefault(where, []).append(text)
        with formatter.section("Set of a method"):
            formatter.write_dl([(k, " ".join(v)) for k, v in own.items()])
        for title, values in (
            ("--variant code changes", self.recipe.VARIANTS["code"]),
            ("--demo changes", self.recipe.DEMO),
        ):
            texts = [f"{key}={to_text(value)}" for key, value in values.items()]
            with formatter.section(title):
                formatter.write_text(" ".join(texts))


def _options(info, recipe):
    """The options of every recipe; --fold and --stage where it has some."""
    fields = {field.name for field in dataclasses.fields(recipe.Config)}
    folds = [
        _option(
            "--fold",
            "folds",
            type=click.IntRange(0),
            multiple=True,
            help="Which fold tests, as --set fold=; repeatable.",
        )
    ]
    named = getattr(recipe, "STAGES", {})
    before = [
        _option(
            "--stage",
            "stages",
            metavar="NAME=RUN",
            multiple=True,
            help="A complete run for what is trained before, repeatable: "
            + "; ".join(
                f"{name} of {', '.join(stage.of)}"
                for name, stage in named.items()
            )
            + ".",
        )
    ]
    return [
        *_what_is_run(info),
        *(folds if "fold" in fields else []),
        *(before if named else []),
        *_how_it_is_run(),
    ]


def _what_is_run(info):
    option = functools.partial(_option, show_default=True)
    return [
        _option("--data-dir", help="Folder of the data set."),
        _option("--demo", is_flag=True, help="Small generated data, minutes."),
        _option(
            "--method",
            "methods",
            multiple=True,
            help="Slug of keras-balance methods; repeatable "
            f"[{info.default_method}].",
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
    ]


def _how_it_is_run():
    option = functools.partial(_option, show_default=True)
    return [
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
            "--published",
            is_flag=True,
            help="Run every row of the paper's tables; --method restricts.",
        ),
        _option(
            "--list",
            "listed",
            is_flag=True,
            help="Print a command for each run of --published, do nothing.",
        ),
        _option(
            "--json", "as_json", is_flag=True, help="Print results as JSON."
        ),
        _option("--child", is_flag=True, hidden=True),
    ]


def _option(*names, **kwargs):
    return click.Option(list(names), **kwargs)
