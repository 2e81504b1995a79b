"""Writes into the recipes' READMEs what other files there say.

    python tools/readmes.py            rewrites what stands between the marks
    python tools/readmes.py --check    exit 1 where a README is out of date

The published numbers come from published.csv, the settings that neither paper
nor code gives from recipe.py and methods.toml.
"""

import dataclasses
import pathlib
import re
import sys

from keras_balance.runs import published
from keras_balance.runs import recipe as recipes
from keras_balance.runs.config import to_text
from keras_balance.runs.method_settings import all_settings

METRICS = {"accuracy": "accuracy", "map": "mAP", "macro_f1": "macro F1"}
# Of the package, not of an experiment.
_HOUSEKEEPING = ("probe_every", "modality")


def generated(name):
    """What stands between the marks: a dict from mark to text."""
    parts = {"ours": ours(name)}
    entries = published.documents(name)
    if entries:
        parts["published"] = published_table(entries)
    return parts


def published_table(entries):
    """The paper's tables as one of Markdown."""
    metrics = list(dict.fromkeys(entry["metric"] for entry in entries))
    heads = ["table", "method and settings", *(METRICS[m] for m in metrics)]
    rows = [heads, ["---"] * len(heads)]
    for line in published.lines(entries):
        first = next(iter(line.values()))
        name = " ".join([f"`{first['method']}`", *first["settings"]])
        if first["status"] != published.RUN:
            name += f" (not run: {first['status']})"
        numbers = [line[m]["printed"] if m in line else "" for m in metrics]
        rows.append([first["table"], name, *numbers])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def ours(name):
    """The settings that were chosen here, as a list of Markdown."""
    recipe = recipes.load(name)
    changed = recipe.VARIANTS["paper"]
    lines = [
        f"- `{field.name}={to_text(changed.get(field.name, field.default))}`, "
        f"{field.metadata['help']}"
        for field in dataclasses.fields(recipe.Config)
        if field.metadata["source"] == "ours"
        and field.name not in _HOUSEKEEPING
    ]
    lines += [
        f"- `{one.name}={to_text(one.value)}` of `{where}`"
        for where, one in all_settings(recipe)
        if one.source == "ours"
    ]
    lines += [
        f"- trained before `{', '.join(stage.of)}`: `{name}`, by "
        f"`{stage.method}` with {_pairs(stage.settings)}"
        for name, stage in getattr(recipe, "STAGES", {}).items()
        if stage.source == "ours"
    ]
    return "\n".join(lines)


def _pairs(settings):
    return ", ".join(f"`{k}={to_text(v)}`" for k, v in settings.items())


def renewed(text, parts):
    """A README with its generated parts as they should be."""
    for mark, part in parts.items():
        begin, end = f"<!-- {mark}: written by tools/readmes.py -->", "<!-- -->"
        pattern = re.compile(
            f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL
        )
        if not pattern.search(text):
            raise ValueError(f"expected {begin} and {end} in the README")
        new = f"{begin}\n{part}\n{end}"
        text = pattern.sub(lambda _, new=new: new, text)
    return text


def main(check):
    """Rewrites, or compares; returns the exit status."""
    status = 0
    root = pathlib.Path(__file__).resolve().parent.parent / "recipes"
    for name in recipes.names():
        path = root / name.replace("-", "_") / "README.md"
        if not path.is_file():  # a recipe of another package
            continue
        text = path.read_text(encoding="utf-8")
        new = renewed(text, generated(name))
        if new == text:
            continue
        if check:
            print(f"{path} is out of date: python tools/readmes.py")
            status = 1
        else:
            path.write_text(new, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
