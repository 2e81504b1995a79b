"""The modalities while a run trains: a table that is redrawn each epoch."""

from keras_balance import terminal
from keras_balance.callbacks.balance_monitor import own_accuracies

_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = 24  # epochs of a sparkline
_HEADINGS = {
    "accuracy": "train",
    "val_accuracy": "validation",
    "probe_accuracy": "probe",
    "score": "score",
    "coefficient": "coefficient",
    "gradient_norm": "gradient norm",
}


class BalanceTable:
    """What each modality does; a rich renderable.

    It shows the last value of each quantity and, as a line of bars from 0 to
    1, the modality's own accuracy in the last epochs.
    """

    def __init__(self):
        self.last = {}
        self.accuracies = {}

    def add(self, rows):
        """Takes an epoch's rows, as `keras_balance.callbacks` makes them.

        Args:
            rows: dict by modality of dicts by quantity.
        """
        for name, row in rows.items():
            # A probe is not measured in every epoch: the last one stays.
            self.last.setdefault(name, {}).update(row)
        for name, own in own_accuracies(rows).items():
            self.accuracies.setdefault(name, []).append(own)

    def __rich__(self):
        found = {q for row in self.last.values() for q in row}
        shown = [q for q in _HEADINGS if q in found]
        table = terminal.table("modality", box=None, padding=(0, 2, 0, 0))
        for quantity in shown:
            table.add_column(_HEADINGS[quantity], justify="right")
        if self.accuracies:
            table.add_column("own accuracy")
        for name, row in self.last.items():
            cells = [number(row.get(quantity)) for quantity in shown]
            if self.accuracies:
                cells.append(sparkline(self.accuracies.get(name, [])))
            terminal.add_row(table, [name, *cells])
        return table


def number(value):
    """Three digits that matter."""
    return "" if value is None else f"{value:#.3g}"


def sparkline(shares):
    """Shares in [0, 1] as bars, the last ones."""
    top = len(_BARS) - 1
    return "".join(
        _BARS[round(top * min(max(share, 0.0), 1.0))]
        for share in shares[-_SHOWN:]
    )


def line(rows):
    """The rows as one line of text, for output that goes to a file."""
    own = own_accuracies(rows)
    texts = [f"{name} {accuracy:.4f}" for name, accuracy in own.items()]
    return "  own accuracy: " + ", ".join(texts) if texts else ""
