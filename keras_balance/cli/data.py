"""`keras-balance data`: list, fetch, prepare, doctor."""

import dataclasses
import pathlib

import click

from keras_balance import data as datasets
from keras_balance import locks
from keras_balance.atomic import room
from keras_balance.cli.screen import Screen
from keras_balance.cli.screen import print_json
from keras_balance.cli.screen import print_rich
from keras_balance.cli.screen import print_table
from keras_balance.errors import UsageError
from keras_balance.runs.config import parse_settings
from keras_balance.runs.config import unknown

name_argument = click.argument("name")
data_dir_option = click.option(
    "--data-dir", required=True, help="Folder of the data set."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON."
)


@click.group("data")
def command():
    """Fetch, prepare and check the data sets."""


@command.command("list")
@json_option
def list_command(as_json):
    """List the data sets."""
    rows = [dataclasses.asdict(datasets.facts(n)) for n in datasets.names()]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["data set", "title", "size", "licence"],
        [[r["name"], r["title"], r["size"], r["licence"]] for r in rows],
    )
    for row in rows:
        click.echo(f"\n{row['title']}, --data-dir:\n{row['layout']}")


@command.command("fetch")
@name_argument
@data_dir_option
def fetch_command(name, data_dir):
    """Download a data set; a second call continues."""
    dataset = _get(name)
    lock = pathlib.Path(data_dir, ".fetch.lock")
    claimed = locks.only(lock, f"folder {data_dir}")
    with Screen() as screen, claimed, room(data_dir):
        dataset.fetch(pathlib.Path(data_dir), progress=screen.step)
    click.echo(f"Fetched {name} to {data_dir}")


@command.command("prepare")
@name_argument
@data_dir_option
@click.option("--cache-dir", help="Folder of prepared data.")
@click.option("--on-error", type=click.Choice(["fail", "skip"]), default="fail")
@click.option("--workers", type=click.IntRange(1), help="Decoding threads.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE")
@json_option
def prepare_command(
    name, data_dir, cache_dir, on_error, workers, pairs, as_json
):
    """Decode a data set once, to what training reads."""
    from keras_balance.data.preparation.shards import older_shards

    dataset = _get(name)
    settings = dataset.settings(**parse_settings(dataset.Settings, pairs))
    cache = pathlib.Path(cache_dir or datasets.default_cache_dir())
    with Screen() as screen:
        prepared = dataset.prepare(
            _existing(data_dir, name),
            cache,
            settings,
            on_error=on_error,
            workers=workers,
            progress=screen.step,
        )
    document = {
        "folder": str(prepared.folder),
        "samples": len(prepared.labels),
        "skipped": len(prepared.skipped),
        "checksum": prepared.checksum,
        "warnings": prepared.warnings,
        "older": list(map(str, older_shards(cache, name))),
    }
    if as_json:
        print_json(document)
        return
    for warning in prepared.warnings:
        click.echo(warning, err=True)
    for folder in document["older"]:
        click.echo(
            f"{folder} is another version's and not used; it can be deleted",
            err=True,
        )
    click.echo(
        f"{document['samples']} samples in {document['folder']}, "
        f"{document['skipped']} left out"
    )


@command.command("doctor")
@name_argument
@data_dir_option
@click.option("--manifest", help="CSV file with path, sha256, size.")
@json_option
def doctor_command(name, data_dir, manifest, as_json):
    """Name every broken, missing or doubtful file."""
    dataset = _get(name)
    folder = _existing(data_dir, name)
    with Screen() as screen:
        report = dataset.doctor(folder, manifest, progress=screen.step)
    if as_json:
        click.echo(report.to_json())
    else:
        print_rich(report.render())
    if not report.ok:
        raise click.exceptions.Exit(2)


def _get(name):
    if name not in datasets.names():
        raise unknown(
            "data set", name, datasets.names(), "keras-balance data list"
        )
    return datasets.get(name)


def _existing(data_dir, name):
    if not pathlib.Path(data_dir).is_dir():
        raise UsageError(
            f"Expected an existing folder. Received: --data-dir {data_dir}",
            f"keras-balance data fetch {name} --data-dir {data_dir}",
        )
    return pathlib.Path(data_dir)
