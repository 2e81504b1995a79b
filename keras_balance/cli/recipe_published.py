"""`recipe NAME --published` and `--list`: every row of a paper's tables."""

import shlex

import click

from keras_balance.cli.children import command_line
from keras_balance.cli.recipe_runs import find_plans
from keras_balance.cli.recipe_runs import run_each
from keras_balance.cli.recipe_runs import say_backend
from keras_balance.cli.recipe_runs import show_plans
from keras_balance.cli.screen import Screen
from keras_balance.cli.screen import print_json
from keras_balance.errors import UsageError
from keras_balance.runs.published_runs import published_runs


def published(name, recipe, options):
    """Lists or runs what measures the published numbers of a recipe.

    A run that several rows share is run once, and one that is complete is not
    run again.

    Args:
        name: of the recipe.
        recipe: its module.
        options: dict of the command's options.
    """
    runs, others = published_runs(
        name, options["variant"], options["methods"], options["pairs"]
    )
    found = [
        (plan, one.rows)
        for one in runs
        for plan in find_plans(name, recipe, options, [(one.slug, one.pairs)])
    ]
    plans = [plan for plan, _ in found]
    if options["listed"]:
        _list(found, others, options["as_json"])
        return
    if not plans:
        raise UsageError(
            "Expected rows that can be run. Received: none of "
            f"{', '.join(options['methods']) or name}\n"
            + "\n".join(f"  {_not_run(row)}" for row in others),
            f"keras-balance recipe {name} --list",
        )
    with Screen() as screen:
        say_backend(plans, options, screen)
        if options["dry_run"]:
            show_plans(recipe, plans, options["as_json"])
            return
        _run(plans, others, options, screen)


def _list(found, others, as_json):
    commands = [
        (shlex.join(["keras-balance", *command_line(plan)]), plan, rows)
        for plan, rows in found
    ]
    if as_json:
        print_json(
            {
                "runs": [
                    {
                        "command": command,
                        "folder": str(plan.folder().path),
                        "complete": plan.folder().complete,
                        "rows": list(map(_row, rows)),
                    }
                    for command, plan, rows in commands
                ],
                "not_run": [{**_row(r), "reason": r.status} for r in others],
            }
        )
        return
    for command, _, _ in commands:
        click.echo(command)
    for row in others:
        click.echo(f"# {_not_run(row)}")


def _row(row):
    return {
        "table": row.table,
        "method": row.method,
        "settings": row.settings,
        "part": row.part,
        "metric": row.metric,
        "printed": row.printed,
    }


def _not_run(row):
    words = [row.method, *row.settings]
    return (
        f"{' '.join(words)}, {row.metric} {row.printed} ({row.table}): not "
        f"run: {row.status}"
    )


def _run(plans, others, options, screen):
    from keras_balance.cli import results

    missing = [plan for plan in plans if not plan.folder().complete]
    for plan in plans:
        if plan not in missing:
            plan.folder().check(plan.document(), resume=True)
            screen.line(f"already complete: {plan.folder().path}")
    run_each(missing, options, screen)
    screen.close()
    folders = [plan.folder().path for plan in plans]
    results.show_comparison(
        folders, options["as_json"], folders[0].parent, as_published=True
    )
    if not options["as_json"]:
        for row in others:
            click.echo(_not_run(row))
