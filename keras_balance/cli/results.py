"""The end of a run: where the report is, and the numbers."""

import pathlib

import click

from keras_balance import locks
from keras_balance.atomic import room
from keras_balance.cli.screen import print_json
from keras_balance.cli.screen import print_rich
from keras_balance.cli.screen import print_table
from keras_balance.runs.documents import read_document


def draw(folder):
    """Write the report of a complete run, `RunFolder`, where it is due."""
    from keras_balance.reports import write_report

    with folder.claimed(), room(folder.path):
        measured = folder.evaluation.stat().st_mtime_ns
        if (
            not folder.report.is_file()
            or folder.report.stat().st_mtime_ns < measured
        ):
            write_report(folder.path)


def show_run(folder, as_json):
    """Draw one run's report; print its test numbers and where it is.

    Args:
        folder: `RunFolder` of a complete run.
        as_json: boolean.
    """
    evaluation = read_document(folder.evaluation, ("test",))
    draw(folder)
    if as_json:
        report = str(folder.report.resolve())
        print_json({"folder": str(folder.path), "report": report, **evaluation})
        return
    test = evaluation["test"]
    rows = [["all", *_numbers(test)]]
    rows += [[m, *_numbers(own)] for m, own in test["per_modality"].items()]
    columns = ["test", "accuracy", "macro-F1", "mAP"]
    print_table(columns, rows, title=folder.path.name)
    click.echo(f"report: {folder.report.resolve()}")


def _numbers(scores):
    return [f"{scores[n]:.4f}" for n in ("accuracy", "macro_f1", "map")]


def show_comparison(folders, as_json, out, as_published=False):
    """Print the tables over several runs; write comparison.*.

    A broken run is left out and named.

    Args:
        folders: paths of complete run folders.
        as_json: boolean.
        out: path of the folder that the files go to.
        as_published: whether the paper's tables are printed in their place.

    Raises:
        UsageError: no run is whole, or two differ in nothing.
        click.exceptions.Exit: with code 1, where a run was left out.
    """
    from keras_balance.reports.comparison import compare
    from keras_balance.reports.comparison.terminal import published_tables
    from keras_balance.runs.finished import read_runs

    runs, broken = read_runs(folders)
    for folder, error in broken.items():
        if not runs:
            raise error
        click.echo(f"left out, broken: {folder}: {error}", err=True)
    comparison = compare([run.folder for run in runs])
    # Runs that end at the same time share this folder.
    with room(out), locks.waiting(pathlib.Path(out, ".comparison.lock")):
        page = comparison.write(out)
    if as_json:
        print_json(comparison.to_json())
    else:
        print_rich(
            published_tables(comparison) if as_published else comparison.table()
        )
        others = ", ".join(f".{e}" for e in ("json", "csv", "md", "tex"))
        click.echo(f"comparison: {page.resolve()} (and {others})")
    if broken:
        raise click.exceptions.Exit(1)
