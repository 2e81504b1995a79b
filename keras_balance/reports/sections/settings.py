"""Every setting of the run."""

from keras_balance.reports.page import definitions
from keras_balance.reports.page import section
from keras_balance.reports.page import tag
from keras_balance.runs.config import flatten


def settings(run):
    """The resolved configuration: the recipe's fields, then the rest."""
    config = dict(run.config)
    config.pop("argv", None)
    overrides = config.pop("demo_overrides", [])
    fields = config.pop("config")
    pairs = [*flatten(config), *flatten(fields)]
    if config["demo"]:
        pairs.append(("demo overrides", ", ".join(map(str, overrides))))
    listed = definitions((name, tag("code", _text(v))) for name, v in pairs)
    summary = tag("summary", f"All {len(pairs)} settings")
    return section("Settings", tag("details", summary, listed))


def _text(value):
    return value if isinstance(value, str) else repr(value)
