"""How to run it again, and on what it ran."""

from keras_balance.reports.page import definitions
from keras_balance.reports.page import section
from keras_balance.reports.page import tag
from keras_balance.runs.config import flatten


def repeat(run):
    """The command, the data's checksum, versions and machine."""
    return section(
        "Repeat this run",
        tag("pre", tag("code", run.command)),
        definitions(
            (name.removeprefix("versions.").replace("_", " "), _text(value))
            for name, value in flatten(run.environment)
        ),
    )


def _text(value):
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
