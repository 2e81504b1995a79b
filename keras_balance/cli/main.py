"""`keras-balance`: the commands and the exit codes.

0 is done, 1 a run that failed, 2 wrong use or missing data, 130 interrupted.
"""

import importlib
import sys
import tempfile
import traceback

import click

from keras_balance.errors import UsageError
from keras_balance.runs.config import unknown

COMMANDS = (
    "recipe",
    "compare",
    "evaluate",
    "sweep",
    "recipes",
    "data",
    "methods",
    "doctor",
)


class LazyGroup(click.Group):
    """Imports a command's file when the command is used."""

    def list_commands(self, ctx):
        return COMMANDS

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            raise unknown("command", name, COMMANDS, "keras-balance --help")
        module = importlib.import_module(f"keras_balance.cli.{name}")
        return module.command


@click.group(cls=LazyGroup, context_settings={"max_content_width": 100})
@click.version_option(package_name="keras-balance")
def cli():
    """Balanced multimodal learning for Keras 3.

    \b
    keras-balance recipe cremad-ogm --demo   try it, in minutes on a CPU
    keras-balance recipes                    what there is to run
    keras-balance methods                    what to run it with
    """


def main(arguments=None):
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        # A file's name need not be UTF-8: it is shown with escapes.
        stream.reconfigure(errors="backslashreplace")
    sys.exit(run(arguments))


def run(arguments=None):
    """Run the command line; returns the exit code."""
    try:
        # Without standalone mode Click returns the code of an `Exit`.
        code = cli.main(
            arguments, prog_name="keras-balance", standalone_mode=False
        )
    except UsageError as error:
        return _fail(error.message, error.hint, 2)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail("Interrupted.", "the same command with --resume", 130)
    except BrokenPipeError:
        return 1
    except Exception as error:
        return _fail(_describe(error), None, 1)
    return code or 0


def _describe(error):
    """One paragraph; the traceback goes to a file, never to the terminal."""
    from keras_balance.runs.train import RunFailed

    if isinstance(error, RunFailed):
        return str(error)
    text = " ".join(str(error).split())[:600]
    return f"{type(error).__name__}: {text} ({_log()})"


def _log():
    """Where the traceback is, in words."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="keras-balance-", suffix=".log", delete=False
        ) as log:
            log.write(traceback.format_exc())
    except OSError as error:
        return f"the traceback could not be written: {error}"
    return f"the traceback is in {log.name}"


def _fail(message, hint, code):
    click.echo(f"Error: {message}", err=True)
    if hint:
        click.echo(f"Next: {hint}", err=True)
    return code
