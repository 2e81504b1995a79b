"""The Keras callbacks of a run, in the order the runner puts them."""

import csv
import importlib.util
import io
import json

import keras
import numpy as np

from keras_balance.atomic import write_text
from keras_balance.callbacks.balance_monitor import BalanceMonitor
from keras_balance.callbacks.balance_monitor import balance
from keras_balance.runs.state import save_state
from keras_balance.runs.state import save_weights

# In a row of the history: the epoch's predictions are not the method's own.
NOT_OWN = "not_own"


class SetEpoch(keras.callbacks.Callback):
    """Makes an epoch's order and randomness follow from (seed, epoch).

    Keras's unseeded layers draw from the backend's global generator (Dropout
    on torch), which no variable holds.
    """

    def __init__(self, dataset, seed):
        super().__init__()
        self.dataset = dataset
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        self.dataset.set_epoch(epoch)
        drawn = np.random.SeedSequence([self.seed, epoch]).generate_state(1)
        keras.utils.set_random_seed(int(drawn[0]))


class StateFile(keras.callbacks.Callback):
    """After every epoch: best checkpoint, then state, then the logs.

    A kill before the state is replaced repeats the epoch, which writes the
    same checkpoint again; the logs are rewritten from the state.

    Args:
        folder: `RunFolder`.
        history: list of the rows of the epochs already trained.
        monitor: name of the log whose maximum is kept, or None.
    """

    def __init__(self, folder, history, monitor):
        super().__init__()
        self.folder = folder
        self.history = list(history)
        self.monitor = monitor

    def on_epoch_end(self, epoch, logs=None):
        row = {name: float(value) for name, value in (logs or {}).items()}
        if not self.model.predicts_own:
            row[NOT_OWN] = 1.0
        self.history.append({"epoch": epoch, **row})
        self.model.sync_state()
        if best_epoch(self.history, self.monitor) == epoch:
            save_weights(self.folder.best, self.model)
        save_state(self.folder.state, self.model, self.history)
        write_history(self.folder.path, self.history)


def best_epoch(history, monitor):
    """The first epoch with the highest `monitor`; the last one for None.

    Of the epochs whose predictions are the method's own; None without any.
    """
    own = [row for row in history if NOT_OWN not in row]
    if not own:
        return None
    if monitor is None:
        return own[-1]["epoch"]
    return max(own, key=lambda row: row[monitor])["epoch"]


def write_history(path, history):
    """Write history.jsonl and history.csv, one row an epoch.

    Columns are the union over the epochs: a phase of a method may log what
    another does not.
    """
    lines = [json.dumps(row) + "\n" for row in history]
    write_text(path / "history.jsonl", "".join(lines))
    columns = list(dict.fromkeys(name for row in history for name in row))
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(path / "history.csv", table.getvalue())


class Monitor(BalanceMonitor):
    """`BalanceMonitor` for a run: its file, and warnings on the screen.

    Args:
        folder: `RunFolder`.
        screen: where warnings are shown.
        train: the part that probes are fitted on.
        held_out: the part that they are measured on, or None.
        probe_every: epochs between two probes; 0 is never.
    """

    def __init__(self, folder, screen, train, held_out, probe_every):
        probed = probe_every and held_out is not None
        super().__init__(
            probe_data=(train, held_out) if probed else None,
            probe_every=probe_every or 1,
            csv_path=folder.path / "balance.csv",
        )
        self.screen = screen

    def warn(self, text):
        self.screen.line(f"warning: {text}")


class Progress(keras.callbacks.Callback):
    """Shows steps while an epoch runs; what came of it when it ends."""

    def __init__(self, screen, epochs, steps):
        super().__init__()
        self.screen = screen
        self.epochs = epochs
        self.steps = steps

    def on_epoch_begin(self, epoch, logs=None):
        self.title = f"epoch {epoch + 1}/{self.epochs}"

    def on_train_batch_end(self, batch, logs=None):
        self.screen.step(batch + 1, self.steps, self.title)

    def on_epoch_end(self, epoch, logs=None):
        shown = ("loss", "accuracy", "val_loss", "val_accuracy")
        texts = [f"{name} {logs[name]:.4f}" for name in shown if name in logs]
        self.screen.line("  ".join([self.title, *texts]))
        if self.model.predicts_own:
            self.screen.balance(balance(logs, self.model.modalities))


def tensorboard(folder):
    """TensorBoard's callback in a list; empty without TensorFlow."""
    needed = ("tensorflow", "tensorboard")
    if not all(map(importlib.util.find_spec, needed)):
        return []
    events = folder.path / "tensorboard"
    return [keras.callbacks.TensorBoard(str(events), write_graph=False)]
