"""What has a name: methods, data sets, recipes, fusions, encoders.

A kind has a catalogue, `catalogue.toml` in its folder, a table for each name.
Other packages add theirs by an entry point of the group of that folder's
name, whose value is the place of a catalogue of their own:

    [project.entry-points."keras_balance.methods"]
    mypackage = "mypackage:methods.toml"

A table's `module` is relative to the folder that its catalogue is in, and its
`class` or `function` is what the module holds; a recipe is a module as a
whole, and its table has neither. Catalogues are found and read
without importing the packages that they are in, nor Keras.
"""

import dataclasses
import difflib
import functools
import importlib
import importlib.metadata
import importlib.util
import pathlib
import sys
import tomllib
import types


@dataclasses.dataclass(frozen=True)
class Entry:
    """A named thing, before it is imported.

    Attributes:
        name: what it is called.
        module: dotted name of the module that holds it.
        attribute: its name there; empty where it is the module.
        facts: dict of what else the catalogue says.
        source: the package or call that named it.
        folder: `pathlib.Path` that the module's file is in.
    """

    name: str
    module: str
    attribute: str
    facts: dict
    source: str
    folder: pathlib.Path

    def load(self):
        """Imports the module; returns what it holds by that name."""
        module = importlib.import_module(self.module)
        return getattr(module, self.attribute) if self.attribute else module


class Registry:
    """The names of one kind.

    Args:
        kind: the word for messages, such as `"method"`.
        package: dotted name of the folder with this package's catalogue; also
            the group of the entry points.
        otherwise: for messages: what may be given instead of a name.
        modules: whether a name leads to a module, not to what one holds.
    """

    def __init__(self, kind, package, otherwise="", modules=False):
        self.kind = kind
        self.modules = modules
        self.package = package
        self.otherwise = otherwise

    def names(self):
        """All names, this package's own first."""
        return list(self._entries)

    def get(self, name):
        """The `Entry` of a name.

        Raises:
            ValueError: nothing has this name; the message names the nearest.
        """
        if isinstance(name, str) and name in self._entries:
            return self._entries[name]
        near = ()
        if isinstance(name, str):
            near = difflib.get_close_matches(
                name.lower(), self._entries, n=1, cutoff=0.4
            )
        nearest = f". Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"{self.kind} must be one of {', '.join(self._entries)}"
            f"{self.otherwise}. Received: {self.kind}={name!r}{nearest}"
        )

    def register(self, name, target, **facts):
        """Adds a class, function or module under a name, in this process.

        Args:
            name: text.
            target: class or function, at the top level of its module; or a
                module.
            **facts: what a catalogue would say of it.

        Raises:
            ValueError: the name is taken.
        """
        whole = isinstance(target, types.ModuleType)
        module = target if whole else sys.modules[target.__module__]
        self._add(
            self._entries,
            Entry(
                name,
                module.__name__,
                "" if whole else target.__qualname__,
                facts,
                module.__name__,
                pathlib.Path(module.__file__).parent,
            ),
        )

    @functools.cached_property
    def _entries(self):
        entries = {}
        own = f"{self.package}:catalogue.toml"
        for entry in _read(own, self.modules):
            self._add(entries, entry)
        for point in importlib.metadata.entry_points(group=self.package):
            for entry in _read(point.value, self.modules):
                self._add(entries, entry)
        return entries

    def _add(self, entries, entry):
        before = entries.get(entry.name)
        if before is not None:
            raise ValueError(
                f"Expected a new name for a {self.kind}. Received: "
                f"{entry.name!r} of {entry.source}, which {before.source} has."
            )
        entries[entry.name] = entry


def _read(place, modules):
    """The entries of a catalogue.

    Args:
        place: `"package.folder:file.toml"`.
        modules: as in `Registry`.

    Raises:
        ValueError: there is no such file, or it is not what it should be.
    """
    package, _, file = place.partition(":")
    folder = _folder(package)
    try:
        tables = tomllib.loads((folder / file).read_text(encoding="utf-8"))
        return [
            _entry(name, package, folder, dict(table), modules)
            for name, table in tables.items()
        ]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise ValueError(
            f"Expected a catalogue of names, each with module and class or "
            f"function. Received: {place} ({type(error).__name__}: {error})"
        ) from error


def _entry(name, package, folder, table, modules):
    module, attribute = table.pop("module"), ""
    if not modules:
        attribute = table.pop("class" if "class" in table else "function")
    folder = folder.joinpath(*module.split(".")[:-1])
    return Entry(name, f"{package}.{module}", attribute, table, package, folder)


def _folder(package):
    """The folder of a package; a stranger's is found without importing it."""
    top, *rest = package.split(".")
    if package.rpartition(".")[0] in sys.modules:
        # An editable install may have it elsewhere than in its parent.
        top, rest = package, []
    spec = importlib.util.find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            f"Expected a package with a catalogue. Received: {package}, which "
            "is not installed"
        )
    return pathlib.Path(spec.submodule_search_locations[0], *rest)
