"""A package of its own adds a method, a fusion, an encoder and a data set."""

import json

import pytest


def test_names_are_read_without_importing_the_package(run_with_example):
    out = run_with_example(
        "-c",
        "import sys\n"
        "from keras_balance import data, encoders, fusions, methods\n"
        "print(*[m.names()[-1] for m in (methods, fusions, encoders, data)])\n"
        "print(methods.get('damped').summary, data.facts('tones').title)\n"
        "heavy = {'keras', 'numpy', 'balance_example'}\n"
        "print(heavy & set(sys.modules))\n",
    )
    assert out.splitlines() == [
        "damped largest flat tones",
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
    assert lines[0].startswith("damped-0.9 fails 1 of 24 checks:")
    assert lines[1].startswith("neutral_hyperparameters_equal_joint_training: ")
    assert "weights of neutral and joint: they differ by" in lines[1]
