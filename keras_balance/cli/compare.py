"""`keras-balance compare RUN...`: finished runs beside one another."""

import os
import pathlib

import click

from keras_balance.errors import UsageError


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--out", help="Folder of comparison.* [that of the runs].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(runs, out, as_json):
    """Compare finished runs: mean over seeds, tests, ranks, cost.

    RUN is a run folder, or a folder that holds run folders. Writes
    comparison.html, .json, .csv, .md and .tex.

    \b
    keras-balance compare runs/cremad-ogm
    keras-balance compare runs/cremad-ogm/joint-* runs/cremad-ogm/ogm-ge-*
    """
    from keras_balance.cli import results
    from keras_balance.runs.find import find_runs

    folders, unfinished = find_runs(runs)
    for folder in unfinished:
        click.echo(f"left out, not finished: {folder}", err=True)
    if not folders:
        raise UsageError(
            f"Expected a finished run. Received: {len(unfinished)} that "
            "are not finished",
            "the recipe's command again with --resume finishes a run",
        )
    results.show_comparison(folders, as_json, out or _parent(runs, folders))


def _parent(runs, folders):
    """The folder that holds the runs: what was typed, where that is one."""
    if len(runs) == 1 and pathlib.Path(runs[0]) not in folders:
        return pathlib.Path(runs[0])
    parents = [folder.resolve().parent for folder in folders]
    try:
        return pathlib.Path(os.path.commonpath(parents))
    except ValueError:
        raise UsageError(
            "Expected --out for runs on different drives. Received: none"
        ) from None
