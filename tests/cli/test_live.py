"""The table of the modalities while a run trains."""

import io

import rich.console

from keras_balance.cli import live
from keras_balance.cli.screen import Screen

ROWS = {
    "audio": {"val_accuracy": 0.25, "gradient_norm": 1.23456},
    "visual": {"val_accuracy": 1.0, "gradient_norm": 0.5},
}


def _screen(terminal):
    screen = Screen()
    screen.console = rich.console.Console(
        file=io.StringIO(), force_terminal=terminal, width=100, height=20
    )
    return screen


def test_bars_span_no_accuracy_to_all():
    assert live.sparkline([0.0, 0.5, 1.0, 2.0]) == "▁▅██"
    assert len(live.sparkline([0.1] * 100)) == 24


def test_a_terminal_shows_a_table():
    screen = _screen(terminal=True)
    with screen:
        screen.step(1, 10, "epoch 1/2")
        screen.balance(ROWS)
        screen.line("epoch 1/2  loss 1.0")
        screen.step(2, 10, "epoch 2/2")
        screen.balance({"audio": {"probe_accuracy": 0.75, "val_accuracy": 0.5}})
    shown = screen.console.file.getvalue()
    last = shown[shown.rindex("modality") :]
    assert "epoch 2/2" in shown and "epoch" not in last
    audio = next(line for line in last.splitlines() if "audio" in line)
    # The gradient norm stays from the epoch before.
    assert audio.split() == ["audio", "0.500", "0.750", "1.23", "▃▅"]


def test_a_file_gets_a_line_an_epoch():
    screen = _screen(terminal=False)
    with screen:
        screen.balance(ROWS)
        screen.balance({"audio": {}})
    assert screen.console.file.getvalue() == (
        "  own accuracy: audio 0.2500, visual 1.0000\n"
    )
