"""Help and listings: what they say, without Keras, at once."""

import json
import subprocess
import sys
import time

import pytest

LISTINGS = [
    ["--help"],
    ["recipe", "--help"],
    ["recipe", "cremad-ogm", "--help"],
    ["recipe", "avdigits-ogm", "--help"],
    ["recipes"],
    ["recipes", "--json"],
    ["methods"],
    ["methods", "--json"],
    ["methods", "g2d"],
    ["compare", "--help"],
    ["evaluate", "--help"],
    ["sweep", "--help"],
    ["data", "--help"],
    ["data", "list"],
]
# Runs the command in this process and names what it imported.
PROBE = """
import sys
from keras_balance.cli.main import run
from keras_balance.runs import backend
backend.installed = lambda: ["jax"]
code = run(sys.argv[1:])
names = ("keras", "numpy", "tensorflow", "jax", "torch", "matplotlib")
print("imported", [name for name in names if name in sys.modules])
sys.exit(code)
"""


@pytest.mark.parametrize("words", LISTINGS, ids=" ".join)
def test_imports_nothing_heavy(words):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("imported []")


@pytest.mark.parametrize("words", LISTINGS, ids=" ".join)
def test_answers_at_once(keras_balance, words):
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        assert keras_balance(*words).returncode == 0
        seconds.append(time.perf_counter() - begin)
    # 0.06 s on an idle machine; the bound of 0.3 s is left room for a busy one.
    assert min(seconds) < 1.0


def test_recipe_help_has_its_own_options_and_fields(keras_balance):
    text = keras_balance("recipe", "cremad-ogm", "--help").stdout
    for word in (
        "--method",
        "--resume",
        "ogm-ge",
        "fusion=str",
        "frame_size=int,int",
        "[360,480; ours]",
        "method.alpha=0.8 [code]",
        "selection=test",
        "encoder=convolutional",
        "arXiv 2203.15332",
    ):
        assert word in text


def test_recipes_as_json(keras_balance):
    rows = json.loads(keras_balance("recipes", "--json").stdout)
    found = {row["name"]: row["dataset"] for row in rows}
    assert found["cremad-ogm"] == "cremad"
    assert found["avdigits-ogm"] == "avdigits"


def test_methods_as_json(keras_balance):
    rows = json.loads(keras_balance("methods", "--json").stdout)
    assert {"joint", "ogm-ge", "mlb"} <= {row["slug"] for row in rows}
    assert set(rows[0]) >= {"paper", "family", "cost", "needs"}


def test_methods_take_a_line_each(keras_balance):
    lines = keras_balance("methods").stdout.splitlines()
    rows = json.loads(keras_balance("methods", "--json").stdout)
    # A heading and an empty line for each family, and where to read on.
    assert len(lines) < len(rows) + 20
    assert max(map(len, lines)) <= 120


def test_methods_of_a_family(keras_balance):
    words = ["methods", "--family", "masking", "--json"]
    rows = json.loads(keras_balance(*words).stdout)
    assert {"opm", "smv"} <= {row["slug"] for row in rows}
    assert {row["family"] for row in rows} == {"masking"}


def test_all_about_one_method(keras_balance):
    text = keras_balance("methods", "asam").stdout
    for word in ("keras_balance.SAM", "Kwon", "2F 2B", "rho=0.5", "how far"):
        assert word in text
    document = json.loads(keras_balance("methods", "g2d", "--json").stdout)
    arguments = {one["name"]: one for one in document["arguments"]}
    assert arguments["temperature"]["default"] == "1.0"
    # That of the class below, which it builds on.
    assert arguments["teacher_epochs"]["help"]


def test_data_sets_as_json(keras_balance):
    rows = json.loads(keras_balance("data", "list", "--json").stdout)
    assert [row["name"] for row in rows] == ["cremad", "avdigits"]
    assert "AudioWAV" in rows[0]["layout"]


def test_dry_run_writes_nothing(keras_balance, tmp_path):
    words = ["recipe", "avdigits-ogm", "--demo", "--dry-run", "--json"]
    words += ["--method", "unimodal", "--seed", "1", "--set", "samples=90"]
    done = keras_balance(*words, KERAS_BACKEND="jax")
    plans = json.loads(done.stdout)
    assert [plan["folder"] for plan in plans] == [
        "runs/avdigits-ogm/unimodal-audio+samples=90-paper-jax-seed1",
        "runs/avdigits-ogm/unimodal-visual+samples=90-paper-jax-seed1",
    ]
    assert plans[0]["config"]["samples"] == 90
    assert plans[0]["config"]["modality"] == "audio"
    assert "backend: jax, chosen by KERAS_BACKEND" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_folds_of_a_recipe_that_has_some(keras_balance):
    words = ["recipe", "avdigits-ogm", "--demo", "--dry-run", "--json"]
    words += ["--set", "split=speakers", "--fold", "0", "--fold", "1"]
    done = keras_balance(*words, KERAS_BACKEND="jax")
    plans = json.loads(done.stdout)
    assert [plan["config"]["fold"] for plan in plans] == [0, 1]
    assert [plan["folder"].partition("+")[2] for plan in plans] == [
        "split=speakers-paper-jax-seed0",
        "split=speakers+fold=1-paper-jax-seed0",
    ]
    done = keras_balance(*words, "--set", "fold=1", KERAS_BACKEND="jax")
    assert done.returncode == 2 and "--fold or --set fold=" in done.stderr
    help_text = keras_balance("recipe", "cremad-ogm", "--help").stdout
    assert "--fold" not in help_text


def test_doctor(keras_balance):
    document = json.loads(keras_balance("doctor", "--json").stdout)
    assert set(document["backends"]) == {"tensorflow", "jax", "torch"}
    for state in document["backends"].values():
        assert "device" in state or state == {"installed": False}
    assert document["versions"]["keras-balance"]
    assert document["tensorflow-io"]
