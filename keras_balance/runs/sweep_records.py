"""trials.csv and trials.json of a sweep."""

import csv
import io
import pathlib

from keras_balance.atomic import write_json
from keras_balance.atomic import write_text


def write_trials(folder, document, names, trials, best):
    """Writes trials.csv and trials.json; no test number is in them.

    Args:
        folder: path.
        document: dict: what was asked for.
        names: the tuned names.
        trials: list of `Trial`, of all methods.
        best: dict of method to a dict, or None where every trial failed.
    """
    results = ("validation_accuracy", "selected_epoch", "seconds", "folder")
    file = io.StringIO()
    columns = ["method", "trial", "state", *names, *results]
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    rows = [
        {
            "method": trial.method,
            "trial": trial.number,
            "state": trial.state,
            **trial.settings,
            **trial.result,
        }
        for trial in trials
    ]
    writer.writerows(rows)
    write_text(pathlib.Path(folder, "trials.csv"), file.getvalue())
    write_json(
        pathlib.Path(folder, "trials.json"),
        {"sweep": document, "best": best, "trials": rows},
    )
