"""published.csv: a run or a reason for every row, and the READMEs' tables."""

import collections
import json

import pytest

from keras_balance import methods
from keras_balance.errors import UsageError
from keras_balance.runs import published
from keras_balance.runs import recipe as recipes
from keras_balance.runs.config import parse_settings
from keras_balance.runs.published_runs import published_runs

PRINTED = [name for name in recipes.names() if published.published(name)]


@pytest.mark.parametrize("name", PRINTED)
def test_rows_are_whole(name):
    config = recipes.load(name).Config
    for row in published.published(name):
        assert row.slug in methods.names()
        assert row.part in ("fused", *recipes.info(name).modalities)
        assert row.metric in ("accuracy", "map", "macro_f1")
        assert float(row.printed) == row.value
        assert 0 < row.tolerance < 10
        assert row.protocol and row.source and row.table and row.unit
        own = [p for p in row.pairs if not p.startswith("method.")]
        parse_settings(config, own)


@pytest.mark.parametrize("name", PRINTED)
def test_every_row_has_a_run_or_a_reason(name):
    runs, others = published_runs(name, "paper", [])
    served = [row for run in runs for row in run.rows] + others
    count = collections.Counter(map(repr, served))
    assert count == collections.Counter(map(repr, published.published(name)))
    assert all(len(row.status.split()) > 3 for row in others)


def test_the_numbers_of_the_conference_paper():
    found = {
        (row.table, row.method, " ".join(row.settings), row.metric): row.value
        for row in published.published("cremad-ogm")
        if row.measurable
    }
    fusion = "fusion methods"
    assert found[fusion, "joint", "fusion=concat", "accuracy"] == 51.7
    assert found[fusion, "joint", "fusion=concat", "map"] == 53.5
    assert found[fusion, "ogm-ge", "fusion=concat", "accuracy"] == 61.9
    assert found[fusion, "ogm-ge", "fusion=film", "map"] == 57.4
    assert found[fusion, "unimodal-audio", "", "accuracy"] == 52.5
    assert found[fusion, "unimodal-visual", "", "map"] == 43.0
    ablation = "modulation strategies"
    assert found[ablation, "ogm", "fusion=concat", "accuracy"] == 59.0


def test_rows_that_one_run_measures_share_it():
    runs, others = published_runs("cremad-ogm", "paper", ["joint"])
    values = [[row.value for row in run.rows] for run in runs]
    # Two tables print joint training by concatenation, with other digits.
    assert [51.7, 53.5, 51.8] in values
    assert [49.7] in values
    assert len(others) == 5
    assert all(row.slug == "joint" for run in runs for row in run.rows)


def test_names_of_the_tables_are_methods_with_settings():
    runs, _ = published_runs("cremad-ogm", "paper", ["modality-drop"])
    assert [run.pairs for run in runs] == [
        [f"method.rate={name}:0.5", "method.rescale=true", "fusion=concat"]
        for name in ("audio", "visual")
    ]


def test_a_setting_that_rows_set_is_not_the_users():
    published_runs("cremad-ogm", "paper", ["ogm"], ["split=actors"])
    with pytest.raises(UsageError, match="Received: --set fusion=sum; the row"):
        published_runs("cremad-ogm", "paper", ["ogm"], ["fusion=sum"])


@pytest.mark.parametrize(
    "name, slugs", [("avdigits-ogm", []), ("cremad-ogm", ["mla"])]
)
def test_nothing_published(name, slugs):
    with pytest.raises(UsageError, match="has published numbers of"):
        published_runs(name, "paper", slugs)


def test_the_config_of_a_row_tells_it_from_others():
    rows = published.documents("cremad-ogm", "joint")
    found = {
        (row["value"], json.dumps(row["config"], sort_keys=True))
        for row in rows
        if row["metric"] == "accuracy" and row["status"] == published.RUN
    }
    told = {key: json.loads(text) for key, text in found}
    plain = {
        "batch_size": 64,
        "fusion": "concat",
        "learning_rate": 1e-3,
        "optimizer": "sgd",
    }
    assert told[51.7] == told[51.8] == plain
    assert told[49.7] == {**plain, "optimizer": "adam"}
    assert told[51.5] == {**plain, "fusion": "sum"}
    assert all(r["config"] == {} for r in rows if r["status"] != published.RUN)


@pytest.mark.parametrize(
    "line",
    [
        "fusion methods,joint,fusion=concat,fused,accuracy,51.7,51.7",
        "fusion methods,joint,fusion=concat,fused,accuracy,high,51.7,run",
        "# note: no such head",
    ],
)
def test_a_broken_file_names_the_line(line, tmp_path, monkeypatch):
    head = "# protocol: p\n# source: s\n# unit: percent\n# tolerance: 1\n"
    columns = "table,method,settings,part,metric,value,printed,status\n"
    (tmp_path / "published.csv").write_text(head + columns + line)
    monkeypatch.setattr(recipes, "folder", lambda name: tmp_path)
    with pytest.raises(ValueError, match="line 6: "):
        published.published("own")
