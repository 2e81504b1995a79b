"""A finished run, read from its folder."""

import dataclasses
import pathlib
import shlex

from keras_balance.errors import UsageError
from keras_balance.runs.config import flatten
from keras_balance.runs.documents import read_config
from keras_balance.runs.documents import read_document
from keras_balance.runs.documents import read_history
from keras_balance.runs.documents import require

METRICS = {"accuracy": "Accuracy", "macro_f1": "Macro F1", "map": "mAP"}

_TEST = (*METRICS, "per_modality", "confusion", "class_names", "samples")
_PUBLISHED = (
    "metric",
    "value",
    "method",
    "slug",
    "status",
    "protocol",
    "source",
)
# Of a process that was started by another one, or that continued one.
_NOT_REPEATED = ("--child", "--resume")
_TRACES = ("_gradient_norm", "_coefficient", "_score")


@dataclasses.dataclass(frozen=True)
class Run:
    """The files of a run folder, checked.

    Args:
        folder: `pathlib.Path`.
        config: dict of config.json.
        environment: dict of environment.json.
        history: list of dicts, one an epoch; `"epoch"` counts from 0.
        evaluation: dict of evaluation.json.
    """

    folder: pathlib.Path
    config: dict
    environment: dict
    history: list
    evaluation: dict

    @property
    def modalities(self):
        """Modality names; in the model's order where it scores each alone."""
        named = list(self.evaluation["test"]["per_modality"])
        for column in self.history[0]:
            for trace in _TRACES:
                if column.endswith(trace) and not column.startswith("val_"):
                    named.append(column.removesuffix(trace))
        return list(dict.fromkeys(named))

    @property
    def slug(self):
        """The method, without the modality that it is labelled with."""
        modality = self.config["config"].get("modality")
        return self.config["method"].removesuffix(f"-{modality}")

    @property
    def fold(self):
        """Which fold of the data tests, or None where there are none."""
        return self.config["config"].get("fold")

    @property
    def checksum(self):
        """Checksum of the data, or None where it was not written."""
        found = [v for k, v in flatten(self.environment) if "checksum" in k]
        return found[0] if found else None

    @property
    def command(self):
        """The command that repeats the run, backend and seed included."""
        words = [w for w in self._words if w not in _NOT_REPEATED]
        for name in ("backend", "seed"):
            if not _option(words, f"--{name}"):
                words += [f"--{name}", str(self.config[name])]
        return shlex.join(["keras-balance", *words])

    @property
    def changes(self):
        """The settings that are not the recipe's own, as `key=value`."""
        return self.config["changes"]

    @property
    def _words(self):
        return [str(word) for word in self.config.get("argv") or self._typed()]

    def _typed(self):
        """What to type for a run that Python started, not a terminal."""
        config = self.config
        modality = config["config"].get("modality")
        words = ["recipe", config["recipe"], "--method", self.slug]
        words += ["--variant", config["variant"]]
        words += ["--set", f"modality={modality}"] if modality else []
        return words + (["--demo"] if config["demo"] else [])

    def measured(self, metric):
        """A number of the test split by name, or None.

        Args:
            metric: `"map"`, or `"audio_map"` for one modality's.
        """
        test = self.evaluation["test"]
        if metric in METRICS:
            return test[metric]
        for modality, own in test["per_modality"].items():
            name = metric.removeprefix(f"{modality}_")
            if name != metric and name in own:
                return own[name]
        return None


def _option(words, name):
    """The values given to an option, `--name value` or `--name=value`."""
    separate = [v for k, v in zip(words, words[1:], strict=False) if k == name]
    joined = [w.partition("=")[2] for w in words if w.startswith(f"{name}=")]
    return separate + joined


def read_runs(folders):
    """Reads run folders; one that is broken does not stand for the others.

    Args:
        folders: paths.

    Returns:
        `(runs, errors)`: list of `Run`, and dict of the other folders to the
        `UsageError` of each.
    """
    runs, errors = [], {}
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except UsageError as error:
            errors[folder] = error
    return runs, errors


def read_run(folder):
    """Reads and checks a run folder.

    Args:
        folder: path of the folder.

    Returns:
        A `Run`.

    Raises:
        UsageError: a file is missing, is not whole, or lacks something.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UsageError(
            f"Expected a run folder. Received: run_folder={folder}",
            "a run writes OUT/<recipe>/<method>-<variant>-<backend>-seed<k>",
        )
    config = read_config(folder)
    environment = read_document(folder / "environment.json")
    evaluation = read_document(folder / "evaluation.json", ("test",))
    test = evaluation["test"]
    require(folder / "evaluation.json", "its test part", test, _TEST)
    for index, entry in enumerate(evaluation.get("published", [])):
        name = f"published[{index}]"
        require(folder / "evaluation.json", name, entry, _PUBLISHED)
    return Run(folder, config, environment, read_history(folder), evaluation)
