"""The wheel: what it holds, and that it works away from the repository."""

import pathlib
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SHIPPED = {".py", ".json", ".html", ".css", ".csv", ".md", ".toml"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy, so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("keras_balance", "recipes"):
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    done = subprocess.run(
        [*command, "--outdir", str(folder), str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (found,) = folder.glob("*.whl")
    return found


def on_disk():
    """Every file of the folders, by its name in the wheel."""
    found = set()
    for folder, package in (
        ("keras_balance", "keras_balance"),
        ("recipes", "keras_balance/recipes"),
    ):
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                inside = file.relative_to(ROOT / folder).as_posix()
                found.add(f"{package}/{inside}")
    return found


def test_holds_the_folders_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    code = {name for name in names if ".dist-info/" not in name}
    assert code == on_disk()


def test_every_kind_of_file_is_known():
    assert {pathlib.Path(name).suffix for name in on_disk()} <= SHIPPED


def test_installs_one_top_level_module(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (top,) = (n for n in names if n.endswith("top_level.txt"))
        assert archive.read(top).decode().split() == ["keras_balance"]
        (metadata,) = (n for n in names if n.endswith("/METADATA"))
        text = archive.read(metadata).decode()
    assert "License-Expression: Apache-2.0" in text
    assert "Requires-Python: >=3.11" in text
    core = [
        line
        for line in text.splitlines()
        if line.startswith("Requires-Dist") and "extra ==" not in line
    ]
    assert not any("tensorflow" in line or "hub" in line for line in core)


@pytest.mark.slow
def test_recipe_runs_from_the_wheel(wheel, tmp_path):
    python = install(wheel, tmp_path / "venv")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    where = "import keras_balance; print(keras_balance.__file__)"
    done = subprocess.run(
        [python, "-c", where], cwd=elsewhere, capture_output=True, text=True
    )
    assert str(tmp_path) in done.stdout
    command = [python.with_name("keras-balance"), "recipe", "cremad-ogm"]
    options = ["--demo", "--epochs", "1", "--backend", "jax"]
    done = subprocess.run(
        [*command, *options, "--cache-dir", tmp_path / "cache"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    folder = elsewhere / "runs/cremad-ogm/ogm-ge+epochs=1-paper-jax-seed0"
    assert (folder / "report.html").is_file()


def install(wheel, folder):
    """A fresh environment with the wheel; the rest is borrowed from this one.

    A .pth file that is read after the environment's own packages makes this
    environment's site-packages importable, without any download.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run(
        [python, "-c", where], capture_output=True, text=True, check=True
    ).stdout.strip()
    borrowed = sysconfig.get_path("purelib")
    pip = [sys.executable, "-m", "pip", "--python", python, "install"]
    subprocess.run([*pip, "--no-deps", "--quiet", wheel], check=True)
    # A plain path: .pth files over there (editable installs) are not read.
    pathlib.Path(site, "borrowed.pth").write_text(f"{borrowed}\n")
    return python
