"""The report of one run: a page that opens offline."""

from keras_balance.evaluation.page import page
from keras_balance.evaluation.run import read_run
from keras_balance.evaluation.sections import SECTIONS
from keras_balance.runs.folder import write_text


def write_report(run_folder):
    """Writes `report.html` from the other files of a run folder.

    Reads config.json, environment.json, history.jsonl and evaluation.json.
    The page holds its pictures and refers to nothing else; it replaces an
    older one only when it is whole.

    Args:
        run_folder: path of a finished run.

    Returns:
        `pathlib.Path` of the report.

    Raises:
        UsageError: a file is missing, is not whole, or lacks something.
    """
    run = read_run(run_folder)
    config = run.config
    title = f"{config['method']} on {config['recipe']}, seed {config['seed']}"
    path = run.folder / "report.html"
    write_text(path, page(title, *(part(run) for part in SECTIONS)))
    return path
