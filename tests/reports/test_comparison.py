"""Several runs beside one another."""

import io
import json
import re
import statistics
import urllib.parse

import pytest
import rich.console
from scipy import stats

from keras_balance.errors import UsageError
from keras_balance.reports import compare
from keras_balance.reports import write_report


def _accuracies(folders):
    documents = [
        json.loads((f / "evaluation.json").read_text()) for f in folders
    ]
    return [document["test"]["accuracy"] for document in documents]


def _terminal(comparison):
    file = io.StringIO()
    rich.console.Console(file=file, width=120).print(comparison.table())
    return file.getvalue()


def test_mean_and_deviation_over_seeds(make_run):
    joint = [make_run(method="joint", seed=seed) for seed in (2, 0, 1)]
    alone = make_run(method="ogm-ge")
    document = compare([*joint, alone]).to_json()
    (group,) = document["groups"]
    first, second = group["rows"]
    values = _accuracies(joint)
    assert first["seeds"] == [0, 1, 2]
    assert first["metrics"]["accuracy"] == {
        "mean": pytest.approx(statistics.fmean(values)),
        "std": pytest.approx(statistics.stdev(values)),
        "n": 3,
    }
    assert second["metrics"]["accuracy"] == {
        "mean": _accuracies([alone])[0],
        "std": None,
        "n": 1,
    }
    assert {
        "accuracy",
        "macro_f1",
        "map",
        "audio_accuracy",
        "visual_accuracy",
    } <= set(first["metrics"])
    json.dumps(document, allow_nan=False)


def test_terminal_table(make_run):
    runs = [make_run(seed=seed) for seed in (0, 1)]
    runs.append(make_run(method="joint"))
    text = _terminal(compare(runs))
    values = _accuracies(runs[:2])
    mean = f"{100 * statistics.fmean(values):.1f}"
    assert f"{mean} ± {100 * statistics.stdev(values):.1f}" in text
    joint = next(line for line in text.splitlines() if "│ joint" in line)
    assert "±" not in joint


@pytest.mark.parametrize(
    "other",
    [
        {"recipe": "avdigits-ogm"},
        {"backend": "torch"},
        {"checksum": "0000"},
        {"demo": True, "method": "mlb"},
        {"split": "actors"},
    ],
    ids=lambda other: "-".join(other),
)
def test_what_cannot_be_compared_is_kept_apart(make_run, other):
    comparison = compare([make_run(), make_run(**{"seed": 1, **other})])
    assert [len(group.rows) for group in comparison.groups] == [1, 1]
    assert "±" not in _terminal(comparison)
    assert "they are never averaged" in _terminal(comparison)


def test_another_test_part_is_kept_apart(make_run):
    runs = [make_run(), make_run(seed=1)]
    evaluation = json.loads((runs[1] / "evaluation.json").read_text())
    evaluation["test"]["confusion"][0][0] += 1
    (runs[1] / "evaluation.json").write_text(json.dumps(evaluation))
    assert [len(group.rows) for group in compare(runs).groups] == [1, 1]


def test_other_settings_are_another_row(make_run):
    runs = [make_run(seed=0, alpha=0.1), make_run(seed=1, alpha=0.8)]
    (group,) = compare(runs).groups
    names = [row.name for row in group.rows]
    assert names == ["ogm-ge (alpha=0.1)", "ogm-ge (alpha=0.8)"]
    assert group.varied == {"alpha": ["0.1", "0.8"]}


def test_rows_trained_for_other_lengths_are_named(make_run, tmp_path):
    runs = [make_run(epochs=3), make_run(method="joint", epochs=5)]
    path = compare(runs).write_html(tmp_path / "page.html")
    assert "Rows differ in epochs (3, 5)." in path.read_text()


def test_a_metric_that_one_run_lacks(make_run, tmp_path):
    runs = [make_run(), make_run(method="film", modalities=())]
    comparison = compare(runs)
    second = comparison.to_json()["groups"][0]["rows"][1]
    assert second["metrics"]["audio_accuracy"] == {
        "mean": None,
        "std": None,
        "n": 0,
    }
    assert "–" in _terminal(comparison)
    comparison.write_html(tmp_path / "page.html")


def test_the_page_links_to_reports_and_to_nothing_else(make_run, tmp_path):
    runs = [make_run(method=m, seed=s) for m in ("a b", "<i>") for s in (0, 1)]
    for run in runs[:3]:
        write_report(run)
    path = compare(runs).write_html(tmp_path / "runs" / "comparison.html")
    text = path.read_text(encoding="utf-8")
    links = re.findall(r'<a href="([^"#]*)"', text)
    assert len(links) == 3
    for link in links:
        assert (path.parent / urllib.parse.unquote(link)).is_file()
    assert not re.search(r'(src|href)="(?!#|cremad|data:)', text)
    assert "<i>" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)
    assert "&lt;i&gt;" in text


def test_nothing_to_compare():
    with pytest.raises(UsageError, match=r"Received: run_folders=\[\]"):
        compare([])


def test_the_same_run_twice(make_run):
    run = make_run()
    with pytest.raises(UsageError, match="both of seed 0"):
        compare([run, run])


def test_an_unfinished_run(make_run):
    run = make_run()
    (run / "evaluation.json").unlink()
    with pytest.raises(UsageError, match="without it"):
        compare([run])


def test_difference_to_joint_is_paired_by_seed(make_run):
    joint = [make_run(method="joint", seed=seed) for seed in (0, 1, 2, 3)]
    pmr = [make_run(method="pmr", seed=seed) for seed in (3, 1, 2, 7)]
    _, row = compare([*joint, *pmr]).to_json()["groups"][0]["rows"]
    first = _accuracies([pmr[1], pmr[2], pmr[0]])
    second = _accuracies(joint[1:])
    wanted = stats.ttest_rel(first, second)
    found = row["beside_joint"]
    assert found["seeds"] == [1, 2, 3]
    assert found["p"] == pytest.approx(wanted.pvalue)
    assert found["p_holm"] == pytest.approx(wanted.pvalue)
    assert found["low"] == pytest.approx(wanted.confidence_interval().low)
    assert "paired t-test" in found["test"]


def test_two_seeds_have_no_test(make_run):
    runs = [
        make_run(method=m, seed=s) for m in ("joint", "mlb") for s in (0, 1)
    ]
    text = _terminal(compare(runs))
    assert "needs 3 seeds" in text
    assert "t-test" not in text


def test_one_seed_is_said(make_run):
    text = _terminal(compare([make_run(), make_run(method="joint")]))
    assert "One seed each: no deviation" in text
    assert "±" not in text


def test_the_nearest_joint_training_is_beside(make_run):
    runs = [make_run(method="joint", seed=s, batch_size=64) for s in (0, 1)]
    runs += [make_run(method="joint", seed=s, batch_size=16) for s in (2, 3)]
    runs += [make_run(method="pmr", seed=s, batch_size=16) for s in (2, 3)]
    rows = compare(runs).to_json()["groups"][0]["rows"]
    assert rows[0]["beside_joint"] is None
    assert rows[2]["beside_joint"]["joint_settings"] == {"batch_size": 16}
    assert rows[2]["beside_joint"]["seeds"] == [2, 3]


def test_cost_relative_to_joint(make_run):
    runs = [make_run(method=m) for m in ("joint", "agm")]
    for run, seconds in zip(runs, (40.0, 90.0), strict=True):
        _seconds(run, seconds)
    row = compare(runs).to_json()["groups"][0]["rows"][1]
    assert row["beside_joint"]["time"] == pytest.approx(2.25)
    assert row["beside_joint"]["passes"].startswith("2F 2B")


def test_time_is_of_the_seeds_that_both_have(make_run):
    times = {"joint": {0: 10.0, 1: 20.0, 2: 900.0}, "agm": {1: 50.0, 0: 40.0}}
    runs = []
    for method, seconds in times.items():
        for seed, value in seconds.items():
            runs.append(make_run(method=method, seed=seed))
            _seconds(runs[-1], value)
    row = compare(runs).to_json()["groups"][0]["rows"][1]
    assert row["beside_joint"]["time"] == pytest.approx(90 / 30)


def _seconds(run, seconds):
    path = run / "evaluation.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "seconds": {"fit": seconds}}))


def test_ranks_and_imbalance(make_run):
    runs = [
        make_run(method=m, seed=s) for m in ("joint", "mlb") for s in (0, 1)
    ]
    rows = compare(runs).to_json()["groups"][0]["rows"]
    assert sum(row["mean_rank"] for row in rows) == pytest.approx(3.0)
    better = max(rows, key=lambda row: row["metrics"]["accuracy"]["mean"])
    assert better["mean_rank"] <= 1.5
    shapley = [
        json.loads((run / "evaluation.json").read_text())["analysis"]["shapley"]
        for run in runs[:2]
    ]
    degrees = [found["input"]["imbalance_degree"] for found in shapley]
    found = rows[0]["metrics"]["imbalance_degree"]["mean"]
    assert found == pytest.approx(statistics.fmean(degrees))
