"""`keras-balance recipe --from RUN`: a run again, from its folder alone."""

import pathlib

import click

from keras_balance.cli.screen import Screen
from keras_balance.errors import UsageError
from keras_balance.runs import backend as backends
from keras_balance.runs import checks
from keras_balance.runs import environment
from keras_balance.runs import recipe as recipes
from keras_balance.runs.documents import read_document
from keras_balance.runs.finished import METRICS
from keras_balance.runs.recorded import differences
from keras_balance.runs.recorded import recorded_plan

# What is known only when Keras runs.
_LATER = ("device", "data_checksum")


def repeat(folder, out, data_dir, backend, resume, as_json):
    """Trains and evaluates what a run folder records; says what differs.

    Args:
        folder: path of the run folder.
        out: folder of the new run folder.
        data_dir: folder of the data set, or None for the recorded one.
        backend: name, or None for the recorded one.
        resume: whether a started repetition is continued.
        as_json: whether results are printed as JSON.

    Raises:
        UsageError: the run folder is not whole or of another version, or its
            data are elsewhere.
    """
    from keras_balance.cli import results
    from keras_balance.runs.train import run

    plan = recorded_plan(folder, out=out, data_dir=data_dir, backend=backend)
    backends.choose(plan.backend)
    info = recipes.info(plan.recipe)
    checks.check_data(info, plan.demo, plan.data_dir)
    folder = pathlib.Path(folder)
    before = read_document(folder / "environment.json")
    with Screen() as screen:
        _say_versions(screen, before, plan.backend)
        if plan.folder().path.resolve() == folder.resolve():
            raise UsageError(
                "Expected another folder than the run's own. Received: "
                f"--out {out}",
                "leave --out away, or name another folder",
            )
        done = run(plan, resume, screen, _words(folder, backend))
        screen.close()
        _say_rest(screen, before, done)
    results.show_run(done, as_json)
    if not as_json:
        _show_numbers(folder, done.path)


def _words(folder, backend):
    """The recorded command line, the one to type for these numbers."""
    words = read_document(folder / "config.json").get("argv") or []
    # Of an option that is given twice the last one counts.
    return [*words, "--backend", backend] if words and backend else words


def _say_versions(screen, before, backend):
    now = environment.host(backend)
    known = {k: v for k, v in before.items() if k not in _LATER}
    found = differences(known, now)
    if not found:
        screen.line("the environment is the recorded one")
    for name, first, second in found:
        screen.line(f"differs: {name} {_text(first)}, now {_text(second)}")


def _say_rest(screen, before, done):
    now = read_document(done.path / "environment.json")
    for name in _LATER:
        if name in before and before[name] != now[name]:
            screen.line(
                f"differs: {name} {_text(before[name])}, now {_text(now[name])}"
            )


def _text(value):
    return "absent" if value is None else str(value)


def _show_numbers(before, now):
    """The recorded test numbers beside the new ones."""
    first, second = (
        read_document(folder / "evaluation.json", ("test",))["test"]
        if (folder / "evaluation.json").is_file()
        else None
        for folder in (before, now)
    )
    if first is None:
        click.echo(f"{before} holds no evaluation to compare with")
        return
    texts = [
        f"{title} {first[name]:.4f}, now {second[name]:.4f}"
        for name, title in METRICS.items()
    ]
    same = all(first[name] == second[name] for name in METRICS)
    click.echo("the same numbers as before" if same else "; ".join(texts))
