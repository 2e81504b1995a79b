"""Plants faults in a copy of the tree, one after the other.

    bash tools/mutate.sh [NAME ..]

Each entry of `mutations.toml` says a text of a file, what to write instead, and
the tests that must fail then. Fails where a fault survives, or where the text
does not occur exactly once any more.
"""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).parents[1]
TABLE = pathlib.Path(__file__).with_name("mutations.toml")
COPIED = ("keras_balance", "tests", "tools", "recipes", "pyproject.toml")


def copy_tree(folder):
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)


def failed(folder, tests):
    """Whether a test fails; an error of pytest itself ends everything."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider"]
        + shlex.split(tests),
        cwd=folder,
        env={
            "KERAS_BACKEND": "torch",
            "OMP_NUM_THREADS": "1",
            **os.environ,
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):
        sys.exit(f"pytest {tests} ended with {done.returncode}:\n{done.stdout}")
    return done.returncode == 1


def outcome(folder, entry):
    """None where the fault is caught, else what is wrong."""
    path = folder / entry["file"]
    text = path.read_text()
    if text.count(entry["text"]) != 1:
        return f"{entry['file']} has its text {text.count(entry['text'])} times"
    path.write_text(text.replace(entry["text"], entry["replacement"]))
    try:
        return None if failed(folder, entry["tests"]) else "survives"
    finally:
        path.write_text(text)


def main(names):
    table = tomllib.loads(TABLE.read_text())
    if set(names) - set(table):
        sys.exit(f"Expected names of {TABLE.name}. Received: {names}")
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        copy_tree(pathlib.Path(folder))
        for name in names or table:
            found = outcome(pathlib.Path(folder), table[name])
            wrong += found is not None
            print(f"{name}: {found or 'caught'}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
