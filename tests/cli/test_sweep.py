"""`keras-balance sweep`: wrong use at once, and a small one for real."""

import csv
import json
import os
import shlex

import pytest

from keras_balance.cli import main as cli
from keras_balance.cli import sweep as command
from keras_balance.errors import UsageError
from keras_balance.runs import recipe
from keras_balance.runs.folder import RunFolder
from keras_balance.runs.search_space import Range
from keras_balance.runs.search_space import parse_tune
from keras_balance.runs.sweep import Sweep

SWEEP = ["sweep", "avdigits-ogm", "--demo", "--backend", "torch"]
RATE = ["--tune", "learning_rate=0.003:0.3:log"]


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Sweeps in this process whose runs are made up; lists their options.

    The validation accuracy falls with the distance of the rate from 0.05; the
    test accuracy rises with it.
    """
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    calls = []
    codes = []

    def call(words):
        calls.append(_options(words))
        code = codes.pop(0) if codes else 0
        if code == 0:
            _write_run(calls[-1])
        return code

    monkeypatch.setattr(command.subprocess, "call", call)
    monkeypatch.setattr(command.backends, "installed", lambda: ["torch"])
    return calls, codes


def _options(words):
    found = {"pairs": {}}
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word == "--set":
            name, _, text = value.partition("=")
            found["pairs"][name] = text
        elif word.startswith("--"):
            found[word[2:]] = value
    return found


def _folder(options):
    changes = [f"{name}={text}" for name, text in options["pairs"].items()]
    return RunFolder(
        options["out"],
        "avdigits-ogm",
        options["method"],
        "paper",
        "torch",
        options["seed"],
        changes,
    ).path


def _write_run(options):
    folder = _folder(options)
    os.makedirs(folder, exist_ok=True)
    rate = float(options["pairs"].get("learning_rate", 0.05))
    document = {
        "test": {"accuracy": abs(rate - 0.05)},
        "validation": {"accuracy": 1 - abs(rate - 0.05)},
        "selected_epoch": 3,
        "seconds": {"fit": 1.5},
    }
    with open(os.path.join(folder, "evaluation.json"), "w") as file:
        json.dump(document, file)


def _rows(tmp_path, folder="sweeps/avdigits-ogm"):
    with open(tmp_path / folder / "trials.csv") as file:
        return list(csv.DictReader(file))


def _rates(rows, method):
    return [row["learning_rate"] for row in rows if row["method"] == method]


def test_equal_trials_and_the_best_on_validation(trained, tmp_path, capsys):
    calls, _ = trained
    words = [*SWEEP, *RATE, "--method", "joint", "--method", "ogm-ge"]
    assert cli.run([*words, "--trials", "5", "--json"]) == 0
    rows = _rows(tmp_path)
    assert [row["method"] for row in rows] == ["joint"] * 5 + ["ogm-ge"] * 5
    # The first trials are drawn alike for every method.
    assert _rates(rows, "joint") == _rates(rows, "ogm-ge")
    assert len(set(_rates(rows, "joint"))) == 5
    assert all(0.003 <= float(r) <= 0.3 for r in _rates(rows, "joint"))
    nearest = min(_rates(rows, "joint"), key=lambda r: abs(float(r) - 0.05))
    found = json.loads(capsys.readouterr().out)["best"]
    for method in ("joint", "ogm-ge"):
        assert found[method]["settings"] == {"learning_rate": nearest}
        assert found[method]["validation_accuracy"] == pytest.approx(
            1 - abs(float(nearest) - 0.05)
        )
    assert len(calls) == 10
    text = (tmp_path / "sweeps/avdigits-ogm/trials.json").read_text()
    assert '"test' not in text


def test_the_command_of_the_best_is_whole(trained, capsys):
    words = [*SWEEP, *RATE, "--set", "momentum=0.5", "--seed", "4"]
    assert cli.run([*words, "--trials", "1", "--json"]) == 0
    (best,) = json.loads(capsys.readouterr().out)["best"].values()
    words = shlex.split(best["command"])
    assert words[:3] == ["keras-balance", "recipe", "avdigits-ogm"]
    found = _options(words)
    assert found["method"] == "ogm-ge" and found["seed"] == "4"
    assert found["pairs"] == {"momentum": "0.5", **best["settings"]}
    assert "demo" in found and "resume" not in found and "child" not in found


def test_the_same_command_goes_on(trained, tmp_path):
    calls, codes = trained
    whole = [*SWEEP, *RATE, "--trials", "4"]
    assert cli.run([*whole, "--out", "one"]) == 0
    wanted = _rates(_rows(tmp_path, "one"), "ogm-ge")
    calls.clear()
    # The third run is interrupted.
    codes += [0, 0, 130]
    assert cli.run([*whole, "--out", "two"]) == 130
    assert len(calls) == 3
    assert cli.run([*whole, "--out", "two"]) == 0
    rows = _rows(tmp_path, "two")
    assert _rates(rows, "ogm-ge") == wanted
    assert [row["state"] for row in rows] == ["complete"] * 4
    # What was interrupted ran again, in the folder where it had begun.
    assert len(calls) == 5
    assert calls[2] == calls[3]
    assert "resume" in calls[3]
    # Nothing is left to do.
    assert cli.run([*whole, "--out", "two"]) == 0
    assert len(calls) == 5


def test_more_trials_are_added(trained, tmp_path):
    calls, _ = trained
    assert cli.run([*SWEEP, *RATE, "--trials", "2"]) == 0
    before = _rows(tmp_path)
    assert cli.run([*SWEEP, *RATE, "--trials", "3"]) == 0
    assert _rows(tmp_path)[:2] == before
    assert len(calls) == 3
    # Fewer again: the comparison is of the first trials of each.
    assert cli.run([*SWEEP, *RATE, "--trials", "2"]) == 0
    assert _rows(tmp_path) == before


def test_a_failed_run_is_a_trial(trained, tmp_path, capsys):
    calls, codes = trained
    codes += [1, 0]
    assert cli.run([*SWEEP, *RATE, "--trials", "2"]) == 0
    rows = _rows(tmp_path)
    assert [row["state"] for row in rows] == ["failed", "complete"]
    assert rows[0]["validation_accuracy"] == ""
    codes += [1]
    assert cli.run([*SWEEP, *RATE, "--trials", "1", "--out", "other"]) == 0
    assert "every trial failed" in capsys.readouterr().out


def test_a_grid_is_tried_once_each(trained, tmp_path):
    words = ["--tune", "decay_factor=0.1,0.5,0.8", "--tune", "momentum=0,0.9"]
    assert cli.run([*SWEEP, *words, "--trials", "6"]) == 0
    points = {(row["decay_factor"], row["momentum"]) for row in _rows(tmp_path)}
    assert len(points) == 6


def test_a_methods_own_argument_is_tuned_where_it_is_taken(trained, tmp_path):
    words = [*SWEEP, *RATE, "--tune", "method.alpha=0.1:0.9"]
    words += ["--method", "joint", "--method", "ogm-ge"]
    assert cli.run([*words, "--trials", "2"]) == 0
    found = {row["method"]: row["method.alpha"] for row in _rows(tmp_path)}
    assert found["joint"] == ""
    assert 0.1 <= float(found["ogm-ge"]) <= 0.9


def test_another_sweep_in_the_folder_is_refused(trained, capsys):
    assert cli.run([*SWEEP, *RATE, "--trials", "1"]) == 0
    other = [*SWEEP, "--tune", "momentum=0.1:0.9", "--trials", "1"]
    assert cli.run(other) == 2
    text = capsys.readouterr().err
    assert "started with ['learning_rate=0.003:0.3:log']" in text


def test_a_folder_of_something_else_is_refused(trained, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    assert cli.run([*SWEEP, *RATE, "--trials", "1", "--out", "out"]) == 2
    assert "Expected an empty folder or a sweep's" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tune", "learning_rate"], "Expected --tune name="),
        (["--tune", "learning_rat=1:2"], "Did you mean"),
        (["--tune", "learning_rate=2:1"], "Expected low < high"),
        (["--tune", "learning_rate=0:1:log"], "Expected low > 0"),
        (["--tune", "learning_rate=1:2:cubic"], "Expected --tune name="),
        (["--tune", "learning_rate=a:b"], "Expected learning_rate of type"),
        (["--tune", "fusion=concat:sum"], "Expected numbers at the ends"),
        (["--tune", "fusion=concat,sun"], "Did you mean 'sum'"),
        (["--tune", "epochs=1.5,2"], "Expected epochs of type int"),
        (["--tune", "split_seed=0,1"], "decides what the trials are judged"),
        (["--tune", "selection=last,test"], "decides what the trials"),
        ([*RATE, *RATE], "in one --tune"),
        ([*RATE, "--set", "learning_rate=1"], "in --tune or fixed"),
        (["--tune", "epochs=1,2", "--epochs", "3"], "in --tune or fixed"),
        ([*RATE, "--set", "selection=test"], "not selected on the test"),
        ([*RATE, "--method", "unimodal"], "Expected one modality"),
        ([*RATE, "--method", "none"], "Expected method"),
        (["--tune", "momentum=0.1,0.2"], "--trials 3, 2 of momentum"),
    ],
)
def test_wrong_use(trained, tmp_path, capsys, words, message):
    assert cli.run([*SWEEP, "--trials", "3", *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_variant_that_selects_on_the_test_part_is_refused(trained, capsys):
    words = ["sweep", "cremad-ogm", "--demo", "--variant", "code"]
    assert cli.run([*words, *RATE, "--trials", "1"]) == 2
    assert "--set selection=validation" in capsys.readouterr().err


def test_an_argument_that_no_method_takes(trained, capsys):
    words = [*SWEEP, "--tune", "method.alhpa=0.1:0.9", "--trials", "1"]
    assert cli.run(words) == 2
    assert "Did you mean 'alpha'" in capsys.readouterr().err


def test_a_run_without_validation_part(trained, capsys, monkeypatch):
    def call(words):
        options = _options(words)
        _write_run(options)
        with open(_folder(options) / "evaluation.json", "w") as file:
            json.dump({"test": {"accuracy": 1.0}, "validation": None}, file)
        return 0

    monkeypatch.setattr(command.subprocess, "call", call)
    assert cli.run([*SWEEP, *RATE, "--trials", "1"]) == 2
    assert "Expected a validation part" in capsys.readouterr().err


def test_without_optuna(monkeypatch, capsys):
    find = command.importlib.util.find_spec
    monkeypatch.setattr(
        command.importlib.util,
        "find_spec",
        lambda name: None if name == "optuna" else find(name),
    )
    assert cli.run([*SWEEP, *RATE, "--trials", "1"]) == 2
    text = capsys.readouterr().err
    assert 'pip install "keras-balance[sweep]"' in text


def test_a_setting_of_several_values_is_not_tuned():
    config = recipe.load("cremad-ogm").Config
    with pytest.raises(UsageError, match="with one value"):
        parse_tune(config, ["frame_size=72,96"])


def test_whole_numbers_stay_whole(tmp_path):
    pytest.importorskip("optuna")
    config = recipe.load("avdigits-ogm").Config
    space = parse_tune(config, ["batch_size=8:64:log", "method.x=0.5:2"])
    assert space["batch_size"] == Range(8, 64, True)
    assert space["method.x"] == Range(0.5, 2.0, False)
    trial = Sweep(tmp_path, 0).next_trial("joint", space, 1)
    assert 8 <= int(trial.settings["batch_size"]) <= 64


def test_what_is_tried_has_six_digits(tmp_path):
    pytest.importorskip("optuna")
    config = recipe.load("avdigits-ogm").Config
    space = parse_tune(config, ["learning_rate=0.0003:0.3:log"])
    sweep = Sweep(tmp_path, 0)
    trial = sweep.next_trial("joint", space, 3)
    text = trial.settings["learning_rate"]
    assert text == f"{float(text):.6g}"
    # As it is told afterwards.
    assert sweep.trials("joint", 3)[0].settings == trial.settings


@pytest.mark.slow
def test_a_small_sweep_for_real(keras_balance, tmp_path):
    pytest.importorskip("optuna")
    words = ["sweep", "avdigits-ogm", "--demo", "--cache-dir", "cache"]
    words += ["--method", "joint", "--epochs", "1", "--trials", "2"]
    for pair in ("samples=60", "width=2", "blocks=1", "seconds=0.25"):
        words += ["--set", pair]
    done = keras_balance(*words, *RATE, "--json")
    assert done.returncode == 0, done.stderr
    rows = _rows(tmp_path)
    assert [row["state"] for row in rows] == ["complete"] * 2
    for row in rows:
        run = tmp_path / "sweeps/avdigits-ogm" / row["folder"]
        found = json.loads((run / "evaluation.json").read_text())
        accuracy = found["validation"]["accuracy"]
        assert float(row["validation_accuracy"]) == accuracy
        config = json.loads((run / "config.json").read_text())["config"]
        assert config["learning_rate"] == float(row["learning_rate"])
    again = keras_balance(*words, *RATE, "--json")
    assert json.loads(again.stdout) == json.loads(done.stdout)
    assert "trial 1/2" not in again.stderr
