"""Several methods and seeds: a process each, and a table at the end."""

import json

import pytest


@pytest.mark.slow
def test_methods_and_seeds(digits, folder):
    words = ["--method", "joint", "--method", "ogm", "--epochs", "1"]
    done = digits(*words, "--seed", "0", "--seed", "1", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (group,) = document["groups"]
    found = {row["method"]: row["seeds"] for row in group["rows"]}
    assert found == {"joint": [0, 1], "ogm": [0, 1]}
    parent = folder / "runs" / "avdigits-ogm"
    assert json.loads((parent / "comparison.json").read_text()) == document
    for ending in ("html", "csv", "md", "tex"):
        assert (parent / f"comparison.{ending}").is_file()
    # Each on the same data and seeds: paired with joint training.
    beside = {row["method"]: row["beside_joint"] for row in group["rows"]}
    assert beside["joint"] is None
    assert beside["ogm"]["seeds"] == [0, 1]
    assert beside["ogm"]["time"] > 0
    assert beside["ogm"]["passes"] == "1F 1B"
    assert "run 4/4" in done.stderr
    # The same again, resumed: every run is complete.
    again = digits(*words, "--seed", "0", "--seed", "1", "--resume")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("already complete") == 4
    assert "joint" in again.stdout
