"""The comparison in the terminal."""

from rich.console import Group

from keras_balance import terminal
from keras_balance.reports.comparison.notes import DEMO
from keras_balance.reports.comparison.published import paper_table
from keras_balance.reports.comparison.text import paper_text
from keras_balance.reports.comparison.text import text_tables

_NAME = 24  # letters of a name that a narrow terminal keeps on one line


def terminal_tables(comparison):
    """A renderable with the tables of every group of a `Comparison`."""
    parts = list(map(_note, comparison.notes))
    for group in comparison.groups:
        for text in text_tables(group):
            parts += [_table(text), *map(_note, text.notes), ""]
    return Group(*parts)


def published_tables(comparison):
    """A renderable with the paper's tables alone, of demonstrations too."""
    parts = list(map(_note, comparison.notes))
    for group in comparison.groups:
        text = paper_text(group, paper_table(group, demo=True))
        notes = ([DEMO] if group.demo else []) + text.notes
        parts += [_table(text), *map(_note, notes), ""]
    return Group(*parts)


def _table(text):
    table = terminal.table(title=text.title, title_style="bold")
    for place, heading in enumerate(text.headings):
        named = place < text.names
        longest = max(len(row[place]) for row in text.rows)
        table.add_column(
            terminal.text(heading),
            justify="left" if named else "right",
            overflow="fold",
            min_width=min(longest, _NAME) if named else None,
        )
    for row in text.rows:
        terminal.add_row(table, row)
    return table


def _note(note):
    return terminal.text(note, "dim")
