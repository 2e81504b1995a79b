"""Imports run downwards: a folder knows those below it alone."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[2] / "keras_balance"
# From the top; folders of one row do not know each other.
LAYERS = (
    ("cli",),
    ("reports",),
    ("runs",),
    ("callbacks",),
    ("evaluation", "testing"),
    ("methods",),
    ("mechanisms",),
    ("models", "protocols"),
    ("fusions", "data"),
    ("encoders",),
    ("optimizers", "preprocessing", "metrics"),
    ("engine",),
)
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}


def _imported(file):
    """Folders of this package that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "keras_balance" and len(parts) > 1:
                yield parts[1]


def test_imports_run_downwards():
    upwards = []
    for file in ROOT.rglob("*.py"):
        own = file.relative_to(ROOT).parts[0]
        if own not in RANK:
            continue
        for other in _imported(file):
            if other != own and RANK.get(other, 99) <= RANK[own]:
                upwards.append(f"{file.relative_to(ROOT)} -> {other}")
    assert upwards == []


def test_every_folder_has_a_layer():
    folders = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    assert folders == set(RANK)
