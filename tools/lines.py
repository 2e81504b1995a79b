"""Recipes and data sets stay short, and do not repeat each other.

    python tools/lines.py [ROOT]

counts lines of code: neither blank nor comment nor docstring. A `recipe.py`
may have 80, the Python files of a data set 150 together, and no two recipes
the same ten lines on end, imports aside. Exit 1 names what has more.
"""

import ast
import io
import itertools
import pathlib
import sys
import tokenize

RECIPE = 80
DATA_SET = 150
EQUAL = 10
# Sets that are older than the rule, with pairings and lists that no other has:
# they may shrink.
OLDER = {"avdigits": 195, "cremad": 660}
# Folders of keras_balance/data that are not a data set.
_SHARED = ("decoding", "preparation", "loading", "demo")


def code_lines(text):
    """The lines of code of a Python source, stripped, in order."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE}
    skipped |= {tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    rows = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            rows |= set(range(token.start[0], token.end[0] + 1))
    rows -= _docstring_rows(ast.parse(text))
    lines = text.splitlines()
    return [lines[row - 1].strip() for row in sorted(rows)]


def _docstring_rows(tree):
    rows = set()
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            first = node.body[0]
            rows |= set(range(first.lineno, first.end_lineno + 1))
    return rows


def repeated(first, second):
    """The first ten equal lines on end of two sources, or None."""
    windows = [_windows(text) for text in (first, second)]
    both = set(windows[0]) & set(windows[1])
    return next((one for one in windows[0] if one in both), None)


def _windows(text):
    lines = [
        line
        for line in code_lines(text)
        if not line.startswith(("import ", "from "))
    ]
    count = len(lines) - EQUAL + 1
    return [tuple(lines[at : at + EQUAL]) for at in range(max(0, count))]


def complaints(root):
    """What is too long or repeated, as texts.

    Args:
        root: `pathlib.Path` of the repository.
    """
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in sorted(root.glob("recipes/*/recipe.py"))
    }
    found = [
        _too_long(path.relative_to(root), len(code_lines(text)), RECIPE)
        for path, text in texts.items()
    ]
    for folder in sorted((root / "keras_balance" / "data").iterdir()):
        if folder.is_dir() and folder.name not in (*_SHARED, "__pycache__"):
            own = [f.read_text("utf-8") for f in sorted(folder.glob("*.py"))]
            lines = sum(len(code_lines(text)) for text in own)
            allowed = OLDER.get(folder.name, DATA_SET)
            found.append(_too_long(folder.relative_to(root), lines, allowed))
    for one, other in itertools.combinations(texts, 2):
        same = repeated(texts[one], texts[other])
        if same is not None:
            found.append(
                f"{one.relative_to(root)} and {other.relative_to(root)} share "
                f"{EQUAL} lines, from {same[0]!r} on: name them in "
                "keras_balance/protocols"
            )
    return [text for text in found if text]


def _too_long(path, lines, allowed):
    if lines <= allowed:
        return ""
    return f"{path} has {lines} lines of code, {allowed} are allowed"


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent.parent
    found = complaints(pathlib.Path(sys.argv[1]) if sys.argv[1:] else here)
    print("\n".join(found) or "short enough")
    sys.exit(bool(found))
