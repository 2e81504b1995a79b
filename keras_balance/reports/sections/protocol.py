"""How the run differs from the protocol of the paper, in words."""

from keras_balance.errors import UsageError
from keras_balance.reports.page import bullets
from keras_balance.reports.page import join
from keras_balance.reports.page import section
from keras_balance.reports.page import tag
from keras_balance.runs import recipe as recipes
from keras_balance.runs.published import is_of

_PAPER = (
    "the settings that the paper prints; where it leaves something open, the "
    "recipe's README says what was chosen."
)
_UNPRINTED = "this recipe keeps no published number of this method."
_SELECTION = {
    "validation": "the best on a validation part{share}; the test part chose "
    "nothing. Code released with papers of this field commonly reports the "
    "epoch that is best on the test part, which reads higher.",
    "test": "the best on the TEST part, as released code has it. Its numbers "
    "are optimistic: the test part chose the epoch that it measures.",
    "last": "the last one; no part chose it.",
}
_DEMO = (
    "generated, small, and not the paper's. Nothing here compares with a "
    "published number."
)
_BACKEND = (
    "{backend}{device}. Rounding differs from one backend and device to "
    "another, and over many steps so do the numbers."
)
_SEED = (
    "{seed} alone. One run has no spread over seeds: repeat it with other "
    "seeds and read them with keras-balance compare."
)


def protocol(run):
    """Variant, selection, settings, data, backend and seed of the run."""
    parts = [
        ("As printed", _printed(run)),
        ("Variant", _variant(run.config)),
        ("Epoch evaluated", _selection(run)),
        ("Settings changed", _changed(run)),
        ("Data", _data(run.config)),
        ("Backend", _backend(run)),
        ("Seed", _SEED.format(seed=run.config["seed"])),
    ]
    items = [
        join([tag("strong", f"{name}:"), " ", text])
        for name, text in parts
        if text
    ]
    return section("Differences from the paper's protocol", bullets(items))


def _printed(run):
    entries = run.evaluation.get("published", [])
    said = {entry["protocol"]: None for entry in entries if is_of(entry, run)}
    return "; or: ".join(said) or _UNPRINTED


def _variant(config):
    name = config["variant"]
    if name == "paper":
        return f"{name}, {_PAPER}"
    try:
        changed = recipes.load(config["recipe"]).VARIANTS.get(name, {})
    except UsageError:
        changed = {}
    text = f"{name}, what the released code does where it departs from the "
    text += "paper"
    pairs = [f"{key}={config['config'].get(key)}" for key in changed]
    return f"{text}: {', '.join(pairs)}." if pairs else f"{text}."


def _selection(run):
    config = run.config["config"]
    rule = run.evaluation.get("selection")
    text = _SELECTION.get(config.get("selection"))
    if text is None:
        return f"selected as {rule}." if rule else ""
    share = config.get("validation")
    part = f", {100 * share:g} % of the training part" if share else ""
    return text.format(share=part)


def _changed(run):
    return f"{', '.join(run.changes)}." if run.changes else ""


def _data(config):
    if config["demo"]:
        return _DEMO
    if config.get("on_error") == "skip":
        return (
            "files that could not be read were left out: the notes count them."
        )
    return ""


def _backend(run):
    device = run.environment.get("device")
    devices = [device] if device else run.environment.get("devices", [])
    where = f" on {', '.join(map(str, devices))}" if devices else ""
    return _BACKEND.format(backend=run.config["backend"], device=where)
