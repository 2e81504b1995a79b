"""The run folder: its name and its files."""

import hashlib
import json
import pathlib
import re

from keras_balance import locks
from keras_balance.atomic import write_json
from keras_balance.errors import UsageError
from keras_balance.runs.config import flatten
from keras_balance.runs.config import to_text
from keras_balance.runs.documents import FORMAT
from keras_balance.runs.documents import read_config
from keras_balance.runs.documents import read_document

# Longer names are cut: file systems and tables have little room.
LONGEST = 80


class RunFolder:
    """`OUT/<recipe>/<method>[+key=value...]-<variant>-<backend>-seed<k>`.

    Args:
        out: the folder of all runs.
        recipe: name of the recipe.
        label: the method's slug, with the modality for `unimodal`.
        variant: `"paper"` or `"code"`.
        backend: name of the backend.
        seed: integer.
        changes: texts `key=value` of the settings that are not the recipe's
            own. Of a name over 80 characters they are a hash.
    """

    def __init__(self, out, recipe, label, variant, backend, seed, changes=()):
        rest = f"-{variant}-{backend}-seed{seed}"
        told = "".join(f"+{change}" for change in changes)
        # What a path or a shell would read otherwise.
        plain = re.sub(r"[^\w.,=+-]", "=", told)
        if len(label + plain + rest) > LONGEST:
            digest = hashlib.sha256(told.encode()).hexdigest()
            plain = f"+{digest[:8]}"
        self._place(pathlib.Path(out, recipe, label + plain + rest))

    @classmethod
    def at(cls, path):
        """The run folder at a path, whatever it is called by now."""
        folder = cls.__new__(cls)
        folder._place(pathlib.Path(path))
        return folder

    def _place(self, path):
        self.path = path
        self.state = self.path / "state.npz"
        self.best = self.path / "checkpoints" / "best.npz"
        self.model = self.path / "model.keras"
        self.config = self.path / "config.json"
        self.environment = self.path / "environment.json"
        self.evaluation = self.path / "evaluation.json"
        self.report = self.path / "report.html"
        self.error_log = self.path / "error.log"
        self.lock = self.path / ".lock"

    def claimed(self):
        """A block in which no other process uses the folder.

        Raises:
            UsageError: another one uses it now.
        """
        return locks.only(self.lock, f"run folder {self.path}")

    def check(self, config, resume):
        """Refuse a folder in use; nothing is written.

        Args:
            config: the resolved configuration, as written to config.json.
            resume: whether a folder with files in it is continued.

        Raises:
            UsageError: the folder is not empty and `resume` is false, or it
                was started with another configuration.
        """
        if not self.used:
            return
        if not resume:
            raise UsageError(
                f"Expected an empty run folder. Received: {self.path}",
                "add --resume to continue it, or choose another --out",
            )
        self._check_same(config)

    def start(self, config):
        """Make the folder and config.json, or continue in it."""
        self.best.parent.mkdir(parents=True, exist_ok=True)
        self.error_log.unlink(missing_ok=True)
        if not self.config.is_file():
            write_json(self.config, {"format": FORMAT, **config})

    def check_data(self, checksum):
        """Refuse to continue a run on data other than it was started with.

        Raises:
            UsageError: environment.json holds another checksum.
        """
        if not self.environment.is_file():
            return
        before = read_document(self.environment).get("data_checksum", "")
        if before != checksum:
            raise UsageError(
                f"Expected the data that {self.path} was started with, "
                f"checksum {before[:10]}. Received: checksum {checksum[:10]}",
                "restore the data set, or choose another --out",
            )

    @property
    def used(self):
        """Whether a run has left something to continue."""
        # A run that failed or was killed before it began leaves these alone.
        names = {file.name for file in self.path.glob("*")}
        return bool(names - {self.error_log.name, self.lock.name})

    def _check_same(self, config):
        if not self.config.is_file():
            return
        before = read_config(self.path, keys=())
        started, now = (dict(flatten(one)) for one in (before, config))
        texts = [
            f"{name.split('.', 1)[-1]}={to_text(value)} (started with "
            f"{to_text(started.get(name))})"
            for name, value in now.items()
            if started.get(name) != json.loads(json.dumps(value))
        ]
        if texts:
            raise UsageError(
                f"Expected the configuration that {self.path} was started "
                f"with. Received: {'; '.join(texts)}",
                "choose another --out, or the options of config.json there",
            )

    @property
    def complete(self):
        """Whether nothing is left to train or measure."""
        return self.evaluation.is_file()
