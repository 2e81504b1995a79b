"""A finished run, read from its folder."""

import dataclasses
import json
import pathlib
import shlex

from keras_balance.errors import UsageError

METRICS = {"accuracy": "Accuracy", "macro_f1": "Macro F1", "map": "mAP"}

_CONFIG = ("recipe", "method", "variant", "backend", "seed", "demo", "config")
_TEST = (*METRICS, "per_modality", "confusion", "class_names", "samples")
_PUBLISHED = ("metric", "value", "method", "protocol", "source")
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
        """What the command line changed of the recipe, as `key=value`."""
        epochs = [f"epochs={n}" for n in _option(self._words, "--epochs")]
        pairs = _option(self._words, "--set")
        # Which modality is trained alone is part of the method's name.
        return epochs + [p for p in pairs if not p.startswith("modality=")]

    @property
    def _words(self):
        return [str(word) for word in self.config.get("argv") or self._typed()]

    def _typed(self):
        """What to type for a run that Python started, not a terminal."""
        config = self.config
        modality = config["config"].get("modality")
        method = config["method"].removesuffix(f"-{modality}")
        words = ["recipe", config["recipe"], "--method", method]
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


def flatten(tree, prefix=""):
    """Pairs (dotted name, value) of nested dicts."""
    pairs = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            pairs += flatten(value, f"{name}.")
        else:
            pairs.append((name, value))
    return pairs


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
    config = read_document(folder, "config.json", _CONFIG)
    environment = read_document(folder, "environment.json", ())
    evaluation = read_document(folder, "evaluation.json", ("test",))
    test = evaluation["test"]
    _require(folder / "evaluation.json", "its test part", test, _TEST)
    for index, entry in enumerate(evaluation.get("published", [])):
        name = f"published[{index}]"
        _require(folder / "evaluation.json", name, entry, _PUBLISHED)
    return Run(folder, config, environment, read_history(folder), evaluation)


def read_document(folder, name, keys):
    """A JSON object of a run folder that has these keys.

    Raises:
        UsageError: the file is missing, is not whole, or lacks a key.
    """
    path = folder / name
    document = _parse(path, _text(path))
    _require(path, "the file", document, keys)
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
        raise _broken(f"Expected an epoch or more in {path}. Received: none")
    for number, row in enumerate(rows, start=1):
        _require(path, f"line {number}", row, ("epoch",))
    return rows


def _text(path):
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _broken(
            f"Expected a finished run with {path.name}. Received: "
            f"run_folder={path.parent} without it"
        ) from None
    except UnicodeDecodeError:
        raise _broken(f"Expected text. Received: {path}, binary") from None


def _parse(path, text, line=None):
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _broken(
            f"Expected whole JSON. Received: {path}, broken at line "
            f"{line or error.lineno}, column {error.colno}: {error.msg}"
        ) from None


def _require(path, where, document, keys):
    if not isinstance(document, dict):
        raise _broken(
            f"Expected {where} of {path} to be a JSON object. Received: "
            f"{type(document).__name__}"
        )
    missing = [key for key in keys if document.get(key) in (None, "")]
    if missing:
        raise _broken(
            f"Expected {', '.join(missing)} in {where} of {path}. Received: "
            f"keys={sorted(document)}"
        )


def _broken(message):
    return UsageError(
        message,
        "run the recipe again with --resume and the same options: it "
        "finishes the run and rewrites this file",
    )
