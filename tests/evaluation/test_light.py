"""What imports nothing heavy, and names that survive their modules."""

import subprocess
import sys


def _run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()


def test_the_package_imports_neither_keras_nor_matplotlib():
    loaded = _run(
        "import sys, keras_balance.evaluation as e, keras_balance.metrics;"
        "import keras_balance.reports as r;"
        "e.outputs, e.summarize, r.compare;"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    heavy = {"keras", "tensorflow", "jax", "torch", "matplotlib", "rich"}
    assert not heavy & set(loaded)


def test_the_report_imports_no_keras():
    loaded = _run(
        "import sys, keras_balance.reports.report;"
        "import keras_balance.reports.comparison.page;"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    assert not {"keras", "tensorflow", "jax", "torch"} & set(loaded)


def test_outputs_stays_a_function():
    assert _run(
        "import importlib, keras_balance.evaluation as e;"
        "importlib.import_module('keras_balance.evaluation.outputs');"
        "print(callable(e.outputs), callable(e.summarize), dir(e)[-1])"
    ) == ["True", "True", "summarize"]
