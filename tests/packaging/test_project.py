"""pyproject.toml names every folder; the tools agree with one another."""

import pathlib
import re
import tomllib

ROOT = pathlib.Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_named():
    found = set()
    for folder, package in (
        ("keras_balance", "keras_balance"),
        ("recipes", "keras_balance.recipes"),
    ):
        for file in (ROOT / folder).rglob("*.py"):
            inside = file.parent.relative_to(ROOT / folder).parts
            found.add(".".join([package, *inside]))
    assert sorted(found) == sorted(PROJECT["tool"]["setuptools"]["packages"])


def test_top_level_names():
    ignored = (ROOT / ".gitignore").read_text().split()
    names = {
        path.name
        for path in ROOT.iterdir()
        if not path.name.startswith(".")
        and f"/{path.name}/" not in ignored
        and not path.name.endswith(".egg-info")
        and path.name != "__pycache__"
    }
    assert names == {
        "LICENSE",
        "README.md",
        "keras_balance",
        "pyproject.toml",
        "recipes",
        "tests",
        "tools",
    }


def test_constraints_pin_what_the_project_asks_for():
    text = (ROOT / "tools" / "constraints.txt").read_text()
    pinned = set(re.findall(r"^([\w-]+)==", text, re.M))
    asked = list(PROJECT["project"]["dependencies"])
    for extra, needs in PROJECT["project"]["optional-dependencies"].items():
        if extra != "tfio":
            asked += needs
    names = {re.match(r"[\w-]+", need)[0] for need in asked}
    assert names <= pinned
