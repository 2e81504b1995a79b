"""The comparison in the terminal."""

from rich.console import Group
from rich.table import Table

_HEADINGS = {"accuracy": "accuracy", "macro_f1": "macro F1", "map": "mAP"}


def terminal_tables(groups):
    """A renderable with one table per group of a `Comparison`."""
    return Group(*(_table(group) for group in groups))


def _table(group):
    """Mean ± deviation in percent, and n, of each row."""
    variants = {row.variant for row in group.rows}
    title = f"{group.title}: test split, %"
    if len(variants) == 1:
        title += f", variant {variants.pop()}"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("method", overflow="fold")
    table.add_column("n", justify="right")
    for metric in group.metrics:
        heading = _HEADINGS.get(metric) or metric.removesuffix("_accuracy")
        table.add_column(heading, justify="right", no_wrap=True)
    for row in group.rows:
        # Still more than one: the title could not say it.
        name = f"{row.name}, {row.variant}" if len(variants) > 1 else row.name
        cells = [_cell(row, metric) for metric in group.metrics]
        table.add_row(name, str(len(row.runs)), *cells)
    if any(len(row.runs) > 1 for row in group.rows):
        table.caption = "mean ± standard deviation (ddof 1) over n seeds"
    return table


def _cell(row, metric):
    found = row.statistics(metric)
    if found["mean"] is None:
        return "–"
    text = f"{100 * found['mean']:.1f}"
    if found["std"] is not None:
        text += f" ± {100 * found['std']:.1f}"
    # A modality's metric may be missing in some runs: then n is another.
    return text if found["n"] == len(row.runs) else f"{text} (n={found['n']})"
