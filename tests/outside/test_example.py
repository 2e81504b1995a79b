"""A package of its own adds a method, a recipe, a data set and more."""

import json
import re

import pytest

RUN = ("recipe", "tones-damped", "--demo", "--epochs", "1")


def test_names_are_read_without_importing_the_package(run_with_example):
    out = run_with_example(
        "-c",
        "import sys\n"
        "from keras_balance import data, encoders, fusions, methods\n"
        "from keras_balance.runs import recipe\n"
        "kinds = (methods, fusions, encoders, data, recipe)\n"
        "print(*[kind.names()[-1] for kind in kinds])\n"
        "print(methods.get('damped').summary, data.facts('tones').title)\n"
        "heavy = {'keras', 'numpy', 'balance_example'}\n"
        "print(heavy & set(sys.modules))\n",
    )
    assert out.splitlines() == [
        "damped largest flat tones tones-damped",
        "damps every encoder's gradient by one factor Tones and pictures",
        "set()",
    ]


def test_the_method_is_listed_with_ours(run_with_example):
    out = run_with_example("-m", "keras_balance.cli", "methods", "--json")
    assert '"damped"' in out and '"ogm-ge"' in out


def test_they_train_together_and_are_saved(run_with_example, tmp_path):
    out = run_with_example(
        "-c",
        "import keras, sys\n"
        "import numpy as np\n"
        "import keras_balance as kb\n"
        "rng = np.random.default_rng(0)\n"
        "x = {n: rng.normal(size=(8, 3, 2)).astype('float32') for n in 'ab'}\n"
        "model = kb.methods.create('damped', damping=0.0, num_classes=2,\n"
        "    encoders={n: kb.encoders.get('flat')((3, 2)) for n in 'ab'},\n"
        "    fusion='largest', heads=True)\n"
        "model.compile(optimizer='sgd')\n"
        "model.fit(x, np.arange(8) % 2, verbose=0)\n"
        "model.save(sys.argv[1])\n"
        "again = keras.models.load_model(sys.argv[1])\n"
        "same = np.allclose(model.predict(x), again.predict(x))\n"
        "print('same', same, type(again).__name__, again.damping)\n",
        str(tmp_path / "m.keras"),
    )
    assert out.splitlines()[-1] == "same True Damped 0.0"


def test_the_data_set_works_in_the_commands(run_with_example, tmp_path):
    folder, cache = str(tmp_path / "tones"), str(tmp_path / "cache")
    data = ["-m", "keras_balance.cli", "data"]
    listed = json.loads(run_with_example(*data, "list", "--json"))
    assert [row["name"] for row in listed] == ["cremad", "avdigits", "tones"]
    run_with_example(
        "-c",
        "import sys\n"
        "import keras_balance as kb\n"
        "kb.data.get('tones').write_demo(sys.argv[1])\n",
        folder,
    )
    words = ["tones", "--data-dir", folder, "--json"]
    examined = json.loads(run_with_example(*data, "doctor", *words))
    assert examined["ok"] and examined["problems"] == []
    words += ["--cache-dir", cache, "--set", "seconds=0.25"]
    prepared = json.loads(run_with_example(*data, "prepare", *words))
    assert prepared["samples"] == 48 and prepared["skipped"] == 0


# The next one runs the same checks and names the one that fails.
@pytest.mark.full
def test_the_method_passes_the_shipped_conformance_test(run_with_example):
    out = run_with_example(
        "-c",
        "from keras_balance.testing import Row, run_method_tests\n"
        "row = Row('damped', {'damping': 0.9}, neutral={'damping': 1.0})\n"
        "run_method_tests(row)\n"
        "print('conforms')\n",
    )
    assert out.splitlines()[-1] == "conforms"


def test_a_method_that_does_not_conform_is_told_what_failed(run_with_example):
    out = run_with_example(
        "-c",
        "from keras_balance.testing import Row, run_method_tests\n"
        "row = Row('damped', {'damping': 0.9}, neutral={})\n"
        "try:\n"
        "    run_method_tests(row)\n"
        "except AssertionError as error:\n"
        "    print(error)\n",
    )
    lines = out.splitlines()
    assert re.match(r"damped-0.9 fails 1 of 2\d checks:", lines[0])
    assert lines[1].startswith("neutral_hyperparameters_equal_joint_training: ")
    assert "weights of neutral and joint: they differ by" in lines[1]


@pytest.fixture(scope="module")
def command(run_with_example, tmp_path_factory):
    """Runs `keras-balance WORD...` in one folder, on PyTorch."""
    folder = tmp_path_factory.mktemp("runs")

    def run(*words):
        cached = words[0] in ("recipe", "sweep")
        options = ("--cache-dir", "cache") if cached else ()
        return run_with_example(
            "-m", "keras_balance.cli", *words, *options, cwd=folder
        )

    return run


@pytest.fixture(scope="module")
def compared(command):
    """Both methods of the recipe's table, trained on the demo set."""
    return command(*RUN, "--published", "--backend", "torch")


def test_the_recipe_ends_in_its_papers_table(compared):
    assert "damped" in compared and "joint fusion=concat" in compared
    assert "not run: the table gives no fusion for this row" in compared


def test_rows_without_a_run_are_told_as_reasons(run_with_example):
    words = ["-m", "keras_balance.cli", *RUN, "--published"]
    code = (
        "import sys\n"
        "from keras_balance.cli.main import run\n"
        "print(run(sys.argv[1:]))\n"
    )
    out = run_with_example("-c", code, *words[2:], "--method", "ogm-ge")
    assert out.splitlines()[-1] == "2"


def test_the_commands_of_the_table(command):
    out = command(*RUN, "--list", "--json", "--backend", "torch")
    document = json.loads(out)
    values = [row["printed"] for run in document["runs"] for row in run["rows"]]
    assert values == ["90", "80"]
    assert [row["printed"] for row in document["not_run"]] == ["70"]


def test_its_runs_are_compared(command, compared):
    out = command("compare", "runs", "--json")
    rows = json.loads(out)["groups"][0]["rows"]
    assert [row["method"] for row in rows] == ["damped", "joint"]


def test_the_method_is_tuned_on_the_recipe(command):
    pytest.importorskip("optuna")
    words = ("sweep", *RUN[1:], "--tune", "method.damping=0.2")
    out = command(*words, "--trials", "1", "--backend", "torch", "--json")
    best = json.loads(out)["best"]["damped"]
    assert best["settings"]["method.damping"] == "0.2"
