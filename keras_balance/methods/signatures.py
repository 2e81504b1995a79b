"""The arguments of a method, read from its file: Keras is not imported."""

import ast
import dataclasses
import importlib.util
import inspect
import pathlib
import re

# The base that every method has: what it takes is no method's own.
BASE = "BalancedModel"
# Given by the network of a recipe or of a script, not by name.
NETWORK = ("self", "encoders", "num_classes", "fusion", "preprocessing")


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument of a method's class, or of one below that it builds on.

    Args:
        name: of the argument.
        default: Python text of the default; None where it must be given.
        help: what the docstring says of it, or "".
    """

    name: str
    default: str | None
    help: str


def read_arguments(path, name):
    """The arguments of a class and of those between it and the base.

    Args:
        path: `pathlib.Path` of the file that defines it.
        name: of the class.

    Returns:
        dict of name to `Argument`, those of the class first.
    """
    file = ast.parse(path.read_text(encoding="utf-8"))
    made = {n.name: n for n in file.body if isinstance(n, ast.ClassDef)}
    if name not in made:
        return _imported(file, name)
    helps = _helps(ast.get_docstring(made[name]) or "")
    found = {
        argument: Argument(argument, default, helps.get(argument, ""))
        for argument, default in _signature(file, made[name])
    }
    for base in made[name].bases:
        if isinstance(base, ast.Name) and base.id != BASE:
            for own in read_arguments(path, base.id).values():
                known = found.setdefault(own.name, own)
                # A class may take up an argument that its base explains.
                text = helps.get(own.name) or known.help or own.help
                found[own.name] = dataclasses.replace(known, help=text)
    return found


def _imported(file, name):
    """The arguments of a class that a file imports by its name."""
    for node in file.body:
        names = [n.name for n in getattr(node, "names", ())]
        if isinstance(node, ast.ImportFrom) and name in names:
            path = _file(node.module)
            return read_arguments(path, name) if path else {}
    return {}


def _file(module):
    """The file of a module; only its top package is looked up."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = pathlib.Path(spec.submodule_search_locations[0], *rest)
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path if path.is_file() else None


def _signature(file, made):
    """Pairs of name and default of a class's own constructor."""
    for node in made.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            own = node.args.posonlyargs + node.args.args
            missing = [None] * (len(own) - len(node.args.defaults))
            pairs = [
                *zip(own, missing + node.args.defaults, strict=True),
                *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True),
            ]
            return [
                (one.arg, _text(file, default))
                for one, default in pairs
                if one.arg not in NETWORK
            ]
    return []


def _text(file, default):
    """A default as Python text; of a constant of the file its value."""
    if default is None:
        return None
    for node in file.body:
        if isinstance(default, ast.Name) and isinstance(node, ast.Assign):
            if default.id in [getattr(t, "id", "") for t in node.targets]:
                return ast.unparse(node.value)
    return ast.unparse(default)


def _helps(docstring):
    """What the section `Args:` of a docstring says of each name."""
    section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)*)", docstring, re.M)
    if not section:
        return {}
    text = inspect.cleandoc(section[1])
    entries = re.findall(r"^(\w+): ((?:.*\n?)(?:[ ]+.*\n?|\n)*)", text, re.M)
    return {name: " ".join(told.split()) for name, told in entries}
