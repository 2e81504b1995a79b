"""The run folders that a command line names, one by one or by a parent."""

import pathlib

from keras_balance.errors import UsageError

# A run writes OUT/<recipe>/<run>: a parent is OUT or OUT/<recipe>.
_BELOW = ("*/config.json", "*/*/config.json")


def find_runs(paths):
    """Run folders in the order given; those in a parent by name.

    Args:
        paths: of run folders, or of folders that hold them.

    Returns:
        `(folders, unfinished)`: lists of `pathlib.Path`. A run folder that is
        named itself is always among the first; one in a parent that has no
        evaluation is among the second.

    Raises:
        UsageError: a path is no folder, or holds no run.
    """
    folders, unfinished = {}, {}
    for path in map(pathlib.Path, paths):
        if (path / "config.json").is_file():
            folders[path.resolve()] = path
            continue
        for found in _runs_below(path):
            whole = (found / "evaluation.json").is_file()
            (folders if whole else unfinished)[found.resolve()] = found
    return list(folders.values()), list(unfinished.values())


def _runs_below(path):
    below = sorted(file.parent for way in _BELOW for file in path.glob(way))
    if not below:
        kind = "a folder without one" if path.is_dir() else "no such folder"
        raise UsageError(
            f"Expected a run folder, or a folder of run folders. Received: "
            f"{path}, {kind}",
            "a run writes OUT/<recipe>/<method>-<variant>-<backend>-seed<k>",
        )
    return below
