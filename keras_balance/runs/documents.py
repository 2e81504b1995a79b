"""The files of a run folder, read and checked."""

import json
import pathlib

from keras_balance.errors import UsageError

# Of config.json; another one when its meaning changes.
FORMAT = 2
_CONFIG = (
    "recipe",
    "method",
    "variant",
    "backend",
    "seed",
    "demo",
    "config",
    "on_error",
)


def read_document(path, keys=()):
    """A JSON object that has these keys.

    Args:
        path: `pathlib.Path` of a file in a run folder.
        keys: iterable of texts.

    Returns:
        dict.

    Raises:
        UsageError: the file is missing, is not whole, or lacks a key.
    """
    document = _parse(path, _text(path))
    require(path, "the file", document, keys)
    return document


def read_config(folder, keys=_CONFIG):
    """The config.json of a run folder, of this version's format.

    Raises:
        UsageError: as `read_document`; or another version wrote it.
    """
    path = pathlib.Path(folder) / "config.json"
    document = read_document(path)
    if document.get("format", 1) != FORMAT:
        raise _of_another_version(path.parent, document)
    require(path, "the file", document, keys)
    return document


def read_history(folder):
    """The rows of history.jsonl, one dict an epoch.

    Raises:
        UsageError: the file is missing, empty or not whole.
    """
    path = folder / "history.jsonl"
    rows = [
        _parse(path, line, number)
        for number, line in enumerate(_text(path).splitlines(), start=1)
    ]
    if not rows:
        raise _broken(
            path, f"Expected an epoch or more in {path}. Received: none"
        )
    for number, row in enumerate(rows, start=1):
        require(path, f"line {number}", row, ("epoch",))
    return rows


def require(path, where, document, keys):
    """Refuse what is no JSON object, or lacks a key.

    Args:
        path: of the file.
        where: what the object is of the file, in words.
        document: what was read.
        keys: iterable of texts.
    """
    if not isinstance(document, dict):
        raise _broken(
            path,
            f"Expected {where} of {path} to be a JSON object. Received: "
            f"{type(document).__name__}",
        )
    missing = [key for key in keys if document.get(key) in (None, "")]
    if missing:
        raise _broken(
            path,
            f"Expected {', '.join(missing)} in {where} of {path}. Received: "
            f"keys={sorted(document)}",
        )


def _text(path):
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _broken(
            path,
            f"Expected a finished run with {path.name}. Received: "
            f"run_folder={path.parent} without it",
        ) from None
    except UnicodeDecodeError:
        raise _broken(
            path, f"Expected text. Received: {path}, binary"
        ) from None


def _parse(path, text, line=None):
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _broken(
            path,
            f"Expected whole JSON. Received: {path}, broken at line "
            f"{line or error.lineno}, column {error.colno}: {error.msg}",
        ) from None


def _broken(path, message):
    # A complete run is left alone: what says that it is, goes first.
    names = {path.name: path.exists(), "evaluation.json": True}
    present = [name for name, there in names.items() if there]
    return UsageError(
        message,
        f"delete {' and '.join(present)} in {path.parent}, then type the run "
        "again with the same options and --resume: it writes them anew",
    )


def _of_another_version(folder, document):
    environment = folder / "environment.json"
    versions = {}
    if environment.is_file():
        versions = read_document(environment).get("versions", {})
    writer = versions.get("keras-balance", "an unknown version")
    return UsageError(
        f"Expected a run folder of format {FORMAT}. Received: {folder}, format "
        f"{document.get('format', 1)}, written by keras-balance {writer}",
        "run the recipe again with another --out, or read the folder with "
        "the version that wrote it",
    )
