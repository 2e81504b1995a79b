"""What a person sees: results on stdout, progress on stderr."""

import json
import time

import click

from keras_balance import terminal

PLAIN_SECONDS = 15  # between two lines of one step, where there is no terminal
WIDE = 120  # letters of a line in a file


class Screen:
    """Progress on stderr: bars on a terminal, plain lines elsewhere."""

    def __init__(self):
        self.console = terminal.console(stderr=True)
        self._bar = None
        self._task = None
        self._live = None
        self._table = None
        self._shown = (None, 0.0)

    def line(self, text):
        """Print one line, above a running bar."""
        self.console.print(terminal.text(text), soft_wrap=True)

    def step(self, done, total, description):
        """Show how far a long step is; `total` may be None.

        This is the `progress` that the library's long functions take.
        """
        if self.console.is_terminal:
            self._step_bar(done, total, description)
        else:
            self._step_line(done, total, description)

    def balance(self, rows):
        """Show the modalities after an epoch.

        Args:
            rows: dict by modality of dicts by quantity, as
                `keras_balance.callbacks.balance_monitor.balance` returns.
        """
        from keras_balance.cli import live

        if not self.console.is_terminal:
            text = live.line(rows)
            if text:
                self.line(text)
            return
        if self._table is None:
            self._table = live.BalanceTable()
        self._table.add(rows)
        self._draw()

    def close(self):
        """Remove the bar; the table of the modalities stays."""
        if self._live is not None:
            self._bar = None
            self._draw()
            self._live.stop()
            self._live = self._table = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _step_bar(self, done, total, description):
        if self._bar is None:
            # Drawn by the one live display, with the table: never started.
            self._bar = terminal.progress(self.console)
            self._task = self._bar.add_task(description, total=total)
            self._draw()
        self._bar.update(
            self._task, completed=done, total=total, description=description
        )

    def _draw(self):
        from rich.console import Group
        from rich.live import Live

        shown = Group(*(x for x in (self._table, self._bar) if x is not None))
        if self._live is None:
            self._live = Live(shown, console=self.console)
            self._live.start()
        self._live.update(shown, refresh=True)

    def _step_line(self, done, total, description):
        what, when = self._shown
        now = time.monotonic()
        if what != description:
            # Short steps stay silent: the first line comes after a while.
            self._shown = (description, now)
        elif now - when >= PLAIN_SECONDS:
            of = f"/{total}" if total else ""
            self.line(f"{description}: {done}{of}")
            self._shown = (description, now)


def print_json(value):
    """Print a value as JSON on stdout."""
    click.echo(json.dumps(value, indent=2))


def print_table(columns, rows, title=None):
    """Print a table on stdout.

    Args:
        columns: list of headings.
        rows: iterable of lists of texts.
        title: text above, or None.
    """
    table = terminal.table(*columns, title=title)
    for row in rows:
        terminal.add_row(table, row)
    print_rich(table)


def print_list(rows, title=None):
    """Print rows without lines between them, as wide as the terminal.

    Args:
        rows: list of lists of texts, all of one length.
        title: text above, or None.
    """
    if title:
        click.echo(f"\n{title}")
    table = terminal.table(
        *[""] * len(rows[0]), show_header=False, box=None, padding=(0, 1)
    )
    # Names stay whole; what is said of them is wrapped.
    table.columns[0].no_wrap = True
    for row in rows:
        terminal.add_row(table, row)
    print_rich(table)


def print_rich(renderable):
    """Print a rich renderable on stdout, wide enough where it is a file."""
    console = terminal.console()
    if not console.is_terminal:
        console = terminal.console(width=WIDE)
    console.print(renderable)
