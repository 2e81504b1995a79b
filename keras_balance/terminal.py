"""What `rich` draws in a terminal, where no text is ever markup.

Paths, names and messages come from outside: "[/b]" in one is a part of it.
Every console and every table of the package is made here; colour is a style,
never a tag within a text.
"""


def console(**options):
    """A rich console that shows texts as they are.

    Args:
        **options: of `rich.console.Console`.
    """
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, **options)


def text(value, style=""):
    """A rich text of any value, as it is; control characters are visible.

    Args:
        value: anything; a rich text stays what it is.
        style: a rich style.
    """
    from rich.text import Text

    if isinstance(value, Text):
        return value
    return Text("".join(map(_visible, str(value))), style=style)


def table(*headings, title=None, **options):
    """A rich table of plain headings, to be filled by `add_row`.

    Args:
        *headings: texts.
        title: text above, or None.
        **options: of `rich.table.Table`.
    """
    from rich.table import Table

    made = Table(
        title=None if title is None else text(title),
        title_justify="left",
        **options,
    )
    for heading in headings:
        made.add_column(text(heading))
    return made


def add_row(table, cells):
    """Adds cells to a rich table, as they are.

    Args:
        table: of `table`.
        cells: iterable of values.
    """
    table.add_row(*map(text, cells))


def progress(console):
    """A rich progress bar whose descriptions are shown as they are."""
    from rich import progress as bars

    return bars.Progress(
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TimeRemainingColumn(),
        console=console,
    )


def _visible(letter):
    """A control character, or a byte that is not UTF-8, as its escape."""
    control = letter < " " or letter == "\x7f"
    undecoded = "\ud800" <= letter <= "\udfff"
    if letter == "\n" or not (control or undecoded):
        return letter
    return letter.encode("unicode_escape").decode()
