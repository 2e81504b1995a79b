"""Only the engine knows a backend, and nobody imports Keras's inside."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
ENGINE = "keras_balance/engine/"
BACKENDS = {"tensorflow", "tensorflow_io", "jax", "jaxlib", "torch"}
# File: why it may import a backend or ask which one is in use.
EXCEPTIONS = {
    "keras_balance/data/decoding/tensorflow_io.py": "TensorFlow reads media",
    "keras_balance/runs/backend.py": "chooses the backend before Keras",
    "keras_balance/cli/doctor.py": "imports each backend in a process apart",
    "keras_balance/testing/__main__.py": "names the backend in the matrix",
    "keras_balance/testing/uses.py": "trains from tf.data and a DataLoader",
}


def files():
    folders = (ROOT / "keras_balance", ROOT / "recipes")
    return sorted(p for folder in folders for p in folder.rglob("*.py"))


def dotted(node):
    """`a.b.c` of an attribute, or what of it can be read."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "?")
    return ".".join(reversed(parts))


def imports(tree):
    """Names that are imported, as dotted names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call):
            function = dotted(node.func).split(".")[-1]
            arguments = [a.value for a in node.args if is_text(a)]
            if function in ("import_module", "__import__", "LazyModule"):
                yield from arguments


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def looks_at_backend(tree):
    """What in a file asks for the backend in use."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "backend":
            name = dotted(node)
            if name.endswith(("config.backend", "backend.backend")):
                yield name
        elif isinstance(node, ast.Name) and node.id == "backend":
            # `from keras.config import backend`, and a call of it.
            if any(
                n in ("keras.config.backend", "keras.backend.backend")
                for n in imports(tree)
            ):
                yield node.id
        elif is_text(node) and node.value == "KERAS_BACKEND":
            yield node.value


def faults(source):
    """What a file outside the engine must not do, as texts."""
    tree = ast.parse(source)
    found = [
        f"imports {name}"
        for name in imports(tree)
        if name.split(".")[0] in BACKENDS
    ]
    return found + [f"asks for {name}" for name in looks_at_backend(tree)]


def test_only_the_engine_knows_a_backend():
    broken = {}
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(ENGINE) or name in EXCEPTIONS:
            continue
        found = faults(path.read_text("utf-8"))
        if found:
            broken[name] = found
    assert not broken, (
        "Write it with keras.ops and the primitives of keras_balance.engine, "
        f"or name the file and the reason in EXCEPTIONS: {broken}"
    )


def test_every_exception_is_used():
    for name in EXCEPTIONS:
        assert faults((ROOT / name).read_text("utf-8")), name


def test_keras_is_imported_by_its_public_names():
    for path in files():
        tree = ast.parse(path.read_text("utf-8"))
        private = [n for n in imports(tree) if n.startswith("keras.src")]
        private += [
            dotted(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and dotted(node).startswith("keras.src")
        ]
        assert not private, f"{path.relative_to(ROOT)}: {private}"


@pytest.mark.parametrize(
    "source",
    [
        "import jax",
        "from torch import nn",
        "def f():\n    import tensorflow as tf",
        "import importlib\nimportlib.import_module('tensorflow')",
        "import keras\nif keras.config.backend() == 'jax': pass",
        "import keras\nname = keras.backend.backend()",
        "from keras import backend\nbackend.backend()",
        "from keras.config import backend\nbackend()",
        "import os\nos.environ['KERAS_BACKEND']",
        "import os\nos.getenv('KERAS_BACKEND', '')",
    ],
)
def test_the_search_finds(source):
    assert faults(source)


@pytest.mark.parametrize(
    "source",
    [
        "from keras_balance.engine import Engine",
        "from keras_balance.data import tensorflow_io",
        "backend = choose()\nbackend.use()",
        "'''Set KERAS_BACKEND to one of them.'''",
    ],
)
def test_the_search_leaves_alone(source):
    assert not faults(source)
