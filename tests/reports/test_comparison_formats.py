"""comparison.csv, .md, .tex, and the paper's table in all of them."""

import csv
import io
import json
import re
import shutil
import subprocess

import pytest

from keras_balance.reports import compare
from keras_balance.reports.comparison import export


@pytest.fixture
def comparison(make_run):
    """Joint, OGM-GE and PMR with three seeds each, fused as in the paper."""
    runs = [
        make_run(method=method, seed=seed, fusion="concat", optimizer="sgd")
        for method in ("joint", "ogm-ge", "pmr")
        for seed in (0, 1, 2)
    ]
    return compare(runs)


def _lines(comparison):
    return list(csv.DictReader(io.StringIO(export.to_csv(comparison))))


def test_all_files_are_written(comparison, tmp_path):
    page = comparison.write(tmp_path / "new" / "folder")
    names = {file.name for file in page.parent.iterdir()}
    endings = ("html", "json", "csv", "md", "tex")
    assert {f"comparison.{ending}" for ending in endings} <= names
    text = (page.parent / "comparison.json").read_text()
    assert json.loads(text) == json.loads(json.dumps(comparison.to_json()))


def test_csv_has_the_numbers_of_the_json(comparison):
    rows = comparison.to_json()["groups"][0]["rows"]
    found = {
        (line["method"], line["metric"]): line
        for line in _lines(comparison)
        if line["origin"] == "measured"
    }
    for row in rows:
        for metric, wanted in row["metrics"].items():
            line = found[row["method"], metric]
            assert float(line["value"]) == wanted["mean"]
            assert float(line["std"]) == wanted["std"]
            assert int(line["n"]) == 3
    line = found["pmr", "accuracy_less_joint"]
    assert float(line["p_holm"]) == rows[2]["beside_joint"]["p_holm"]
    assert ("joint", "accuracy_less_joint") not in found


def test_no_number_without_its_protocol(comparison):
    lines = _lines(comparison)
    assert all(line["protocol"] for line in lines)
    published = [line for line in lines if line["origin"] == "published"]
    found = {
        (line["method"], line["setting"], line["metric"]): float(line["value"])
        for line in published
    }
    assert found["ogm-ge", "fusion=concat", "accuracy"] == 0.619
    assert all("test.csv" in line["protocol"] for line in published)
    for text in (export.to_markdown(comparison), export.to_latex(comparison)):
        marks = set(re.findall(r"\d\d\.\d \[([a-z])\]", text))
        assert marks == {"a"}
        for mark in marks:
            assert re.search(
                rf"^\W*(par.footnotesize )?\[{mark}\] test", text, re.M
            )


def test_ours_beside_the_number_of_the_same_setting(comparison):
    published = comparison.to_json()["groups"][0]["published"]
    ours = {
        (row["method"], " ".join(row["settings"]), row["metric"]): row["ours"]
        for row in published
    }
    row = comparison.groups[0].rows[1]
    wanted = row.statistics("accuracy")
    assert ours["ogm-ge", "fusion=concat", "accuracy"] == wanted
    assert ours["ogm-ge", "fusion=sum", "accuracy"] is None
    assert ours["ogm-ge", "fusion=concat optimizer=adam", "accuracy"] is None
    assert ours["gblend", "fusion=concat", "accuracy"] is None


def test_a_demo_is_beside_no_paper(make_run):
    demo = compare([make_run(demo=True, fusion="concat")])
    assert demo.to_json()["groups"][0]["published"] == []
    assert "published" not in export.to_csv(demo)
    assert "51.7" not in export.to_markdown(demo)


def test_changed_settings_are_said(make_run):
    run = make_run(fusion="concat", optimizer="sgd")
    config = json.loads((run / "config.json").read_text())
    config["changes"] = ["epochs=3"]
    (run / "config.json").write_text(json.dumps(config))
    text = export.to_markdown(compare([run]))
    assert "Runs changed settings of the recipe (epochs=3)" in text
    # What the row itself says is not changed.
    config["changes"] = ["fusion=concat"]
    (run / "config.json").write_text(json.dumps(config))
    assert "Runs changed" not in export.to_markdown(compare([run]))


def test_markdown_rows_have_as_many_cells_as_their_heading(make_run):
    runs = [make_run(method="a|b", seed=s) for s in (0, 1)]
    text = export.to_markdown(compare(runs))
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    for table in tables:
        counts = {
            len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()
        }
        assert len(counts) == 1
    assert r"a\|b" in text


def test_latex_escapes_and_balances(make_run):
    runs = [make_run(method="a_b&c%", seed=s) for s in (0, 1)]
    text = export.to_latex(compare(runs))
    assert r"{a\_b\&c\%}" in text
    body = re.sub(r"\\.", "", text)
    assert body.count("{") == body.count("}")
    assert re.sub(r"^%.*", "", body, flags=re.M).count("%") == 0
    assert text.isascii()


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
def test_latex_compiles(comparison, tmp_path):
    document = (
        "\\documentclass{article}\\usepackage{booktabs}\n"
        f"\\begin{{document}}\n{export.to_latex(comparison)}\\end{{document}}\n"
    )
    (tmp_path / "table.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "table.tex"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_page_has_all_three_tables(comparison, tmp_path):
    text = comparison.write_html(tmp_path / "page.html").read_text()
    plain = re.sub(r"<[^>]*>", "", text)
    assert "Beside joint training" in plain
    assert "The paper's table" in plain.replace("&#x27;", "'")
    row = comparison.to_json()["groups"][0]["rows"][2]
    value = repr(row["beside_joint"]["mean"])
    assert f'value="{value}"' in text
    assert "paired t-test" in plain
