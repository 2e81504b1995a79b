"""A sweep's folder: its trials, and what is tried next."""

import dataclasses
import json
import pathlib
import random

from keras_balance import locks
from keras_balance.atomic import read_json
from keras_balance.atomic import write_json
from keras_balance.errors import UsageError
from keras_balance.runs.documents import read_document
from keras_balance.runs.search_space import combinations
from keras_balance.runs.search_space import tried_text


@dataclasses.dataclass(frozen=True)
class Trial:
    """One setting of one method, tried or being tried.

    Args:
        method: slug.
        number: from 0, within the method.
        settings: dict of name to text, for `--set`.
        state: `"running"`, `"complete"` or `"failed"`.
        result: dict of `validation_accuracy`, `selected_epoch`, `seconds`
            and `folder`; empty until complete.
    """

    method: str
    number: int
    settings: dict
    state: str
    result: dict

    @property
    def pairs(self):
        """The texts of `--set`."""
        return [f"{name}={text}" for name, text in self.settings.items()]


class Sweep:
    """Trials of several methods in one folder, by Optuna.

    The journal is Optuna's own; sweep.json says what was asked for. A trial
    depends on those before it and on (seed, number) alone, so that a sweep
    that was interrupted goes on as it would have.

    Args:
        folder: path; made by `start`.
        seed: integer, of what is tried.
    """

    def __init__(self, folder, seed):
        self.folder = pathlib.Path(folder)
        self.seed = seed
        self.lock = self.folder / ".lock"
        self._studies = {}

    def claimed(self):
        """A block in which no other process uses the folder.

        Raises:
            UsageError: another one uses it now.
        """
        return locks.only(self.lock, f"sweep folder {self.folder}")

    def start(self, document):
        """Makes the folder, or continues in it.

        Args:
            document: dict: what was asked for. Methods and the number of
                trials may be others than before.

        Raises:
            UsageError: the folder is of another sweep, or of something else.
        """
        path = self.folder / "sweep.json"
        # As JSON gives it back: tuples are lists there.
        document = json.loads(json.dumps(document))
        if path.is_file():
            self._check_same(read_json(path), document)
        elif {f.name for f in self.folder.glob("*")} - {self.lock.name}:
            raise UsageError(
                f"Expected an empty folder or a sweep's. Received: --out "
                f"{self.folder}",
                "choose another --out",
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(path, document)

    def _check_same(self, before, document):
        free = ("methods", "trials")
        names = [n for n in document.keys() | before.keys() if n not in free]
        texts = [
            f"{name}={document.get(name)!r} (started with {before.get(name)!r})"
            for name in sorted(names)
            if document.get(name) != before.get(name)
        ]
        if texts:
            raise UsageError(
                f"Expected the sweep that {self.folder} was started with. "
                f"Received: {'; '.join(texts)}",
                "choose another --out, or the options of sweep.json there",
            )

    def next_trial(self, method, space, trials):
        """The trial to run now: one that was interrupted, else a new one.

        Args:
            method: slug.
            space: dict of name to `Choices` or `Range`.
            trials: integer, how many the method may have.

        Returns:
            A `Trial`, or None where the method has had all of them.
        """
        study = self._study(method)
        past = study.get_trials(deepcopy=False)
        running = [t for t in past if t.state.name == "RUNNING"]
        begun = [t for t in past if t.state.name != "WAITING"]
        if running:
            trial = _handle(study, running[0])
        elif len(begun) >= trials:
            return None
        else:
            self._plan_next(study, space, past, len(begun))
            trial = study.ask()
        # A trial that has a value already keeps it.
        settings = {n: own.suggest(trial, n) for n, own in space.items()}
        return Trial(method, trial.number, settings, "running", {})

    def _plan_next(self, study, space, past, number):
        """Makes the next trial follow from the seed and the trials before."""
        import optuna

        drawn = random.Random(f"{self.seed} {number}").getrandbits(32)
        study.sampler = optuna.samplers.TPESampler(seed=drawn)
        points = combinations(space)
        if points is None or len(past) > number:
            return
        # Where all can be listed, none is tried twice.
        random.Random(self.seed).shuffle(points)
        study.enqueue_trial(points[number])

    def finish(self, trial, run_folder):
        """Records a trial whose run is complete.

        Args:
            trial: `Trial`.
            run_folder: path of its run folder.

        Raises:
            UsageError: the run has no validation part.
        """
        document = read_document(run_folder / "evaluation.json", ("test",))
        validation = document.get("validation")
        if validation is None:
            raise UsageError(
                "Expected a validation part to judge the trials by. "
                f"Received: {run_folder}, without one",
                "--set validation=0.1 and another --out",
            )
        study = self._study(trial.method)
        own = _handle(study, study.get_trials(deepcopy=False)[trial.number])
        result = {
            "validation_accuracy": validation["accuracy"],
            "selected_epoch": document.get("selected_epoch"),
            "seconds": document.get("seconds", {}).get("fit"),
            "folder": pathlib.Path(run_folder)
            .relative_to(self.folder)
            .as_posix(),
        }
        for name, value in result.items():
            own.set_user_attr(name, value)
        study.tell(trial.number, validation["accuracy"])

    def fail(self, trial):
        """Records a trial whose run failed; it counts as tried."""
        self._study(trial.method).tell(trial.number, state=_state("FAIL"))

    def trials(self, method, trials):
        """The first trials of a method, as `Trial`s."""
        states = {"COMPLETE": "complete", "FAIL": "failed"}
        found = self._study(method).get_trials(deepcopy=False)[:trials]
        return [
            Trial(
                method,
                one.number,
                {name: tried_text(value) for name, value in one.params.items()},
                states.get(one.state.name, "running"),
                dict(one.user_attrs),
            )
            for one in found
            if one.state.name != "WAITING"
        ]

    def best(self, method, trials):
        """The first trial with the highest validation accuracy, or None."""
        done = [t for t in self.trials(method, trials) if t.result]
        accuracies = [t.result["validation_accuracy"] for t in done]
        return done[accuracies.index(max(accuracies))] if done else None

    def _study(self, method):
        if method not in self._studies:
            self._studies[method] = _open(self.folder / "journal.log", method)
        return self._studies[method]


def _open(path, method):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name=method,
        storage=JournalStorage(JournalFileBackend(str(path))),
        direction="maximize",
        load_if_exists=True,
    )


def _handle(study, frozen):
    """A trial that another process may have begun, to go on with."""
    import optuna

    return optuna.trial.Trial(study, frozen._trial_id)


def _state(name):
    from optuna.trial import TrialState

    return TrialState[name]
