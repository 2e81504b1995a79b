"""published.json: complete rows, and the same numbers in the READMEs."""

import json
import pathlib

import pytest

from keras_balance import methods
from keras_balance.runs import recipe as recipes
from keras_balance.runs.published import published

ROOT = pathlib.Path(__file__).parents[2] / "recipes"
ROWS = json.loads((ROOT / "published.json").read_text())["rows"]


def table(rows):
    """The rows as the README's table: one line per method and setting."""
    lines = {}
    for row in rows:
        key = (row["method"], row["setting"])
        lines.setdefault(key, {})[row["metric"]] = str(row["value"])
    text = ["| method | setting | accuracy | mAP |", "|---|---|---|---|"]
    for (method, setting), cells in lines.items():
        numbers = [cells.get(metric, "") for metric in ("accuracy", "map")]
        text.append("| " + " | ".join([method, setting, *numbers]) + " |")
    return "\n".join(text)


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda r: f"{r['method']}-{r['metric']}"
)
def test_row_is_complete(row):
    assert row["recipe"] in recipes.names()
    assert row["metric"] in ("accuracy", "map")
    assert row["unit"] == "percent"
    assert 0 < row["value"] < 100
    assert 0 < row["tolerance"] < 10
    assert row["protocol"] and row["source"] and row["setting"]


def test_numbers_of_the_table_of_fusion_methods():
    found = {
        (row["method"], row["setting"], row["metric"]): row["value"]
        for row in ROWS
    }
    assert found["joint", "concatenation", "accuracy"] == 51.7
    assert found["joint", "concatenation", "map"] == 53.5
    assert found["ogm", "concatenation", "accuracy"] == 59.0
    assert found["ogm-ge", "concatenation", "accuracy"] == 61.9
    assert found["ogm-ge", "concatenation", "map"] == 63.9
    assert found["unimodal-audio", "audio alone", "accuracy"] == 52.5
    assert found["unimodal-visual", "visual alone", "map"] == 43.0


def test_readme_holds_the_table():
    for name in recipes.names():
        rows = published(name)
        if rows:
            readme = ROOT / name.replace("-", "_") / "README.md"
            assert table(rows) in readme.read_text()


def test_lookup_by_method():
    rows = published("cremad-ogm", "ogm")
    assert [row["value"] for row in rows] == [59.0]
    assert published("avdigits-ogm") == []
    assert set(methods.names()) & {r["method"] for r in ROWS} >= {
        "joint",
        "ogm",
        "ogm-ge",
        "ge",
    }
