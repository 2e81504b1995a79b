"""The report of one run: a page that opens offline."""

from keras_balance.atomic import write_text
from keras_balance.reports.figures.picture import write_all
from keras_balance.reports.page import contents
from keras_balance.reports.page import page
from keras_balance.reports.sections import SECTIONS
from keras_balance.reports.sections import title
from keras_balance.runs.finished import read_run


def report_page(run):
    """The report of a `Run` as `Html`, with the pictures in it."""
    parts = [part(run) for part in SECTIONS]
    return page(_name(run), title(run), contents(*parts), *parts)


def write_report(run_folder):
    """Writes `report.html` from the other files of a run folder.

    Reads config.json, environment.json, history.jsonl, evaluation.json and,
    where it is there, outputs.npz. The page holds its pictures and refers to
    nothing else; it is written last, when it is whole. Each picture is also
    written to `figures/<name>.svg` and `.png`.

    Args:
        run_folder: path of a finished run.

    Returns:
        `pathlib.Path` of the report.

    Raises:
        UsageError: a file is missing, is not whole, or lacks something.
    """
    run = read_run(run_folder)
    whole = report_page(run)
    source = f"{_name(run)}, {run.config['backend']}"
    write_all(whole, run.folder / "figures", source)
    path = run.folder / "report.html"
    write_text(path, whole)
    return path


def _name(run):
    config = run.config
    return f"{config['method']} on {config['recipe']}, seed {config['seed']}"
