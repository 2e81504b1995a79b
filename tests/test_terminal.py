"""Texts from outside are shown as they are, wherever they are shown."""

import io
import os
import pathlib
import re
import subprocess
import sys

import pytest

from keras_balance import terminal
from keras_balance.cli.live import BalanceTable
from keras_balance.cli.screen import Screen
from keras_balance.cli.screen import print_table
from keras_balance.data.preparation.problems import DoctorReport

ROOT = pathlib.Path(terminal.__file__).parent
HOSTILE = ["/data/[a]/[/b]", "[red]x[/red]", "[/]", ":smile:", "[link=a]b"]


def _shown(renderable):
    console = terminal.console(file=io.StringIO(), width=200)
    console.print(renderable)
    return console.file.getvalue()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_shows_what_it_is_given(capsys, text):
    print_table([text], [[text]], title=text)
    assert capsys.readouterr().out.count(text) == 3


@pytest.mark.parametrize("text", HOSTILE)
def test_a_doctor_shows_what_it_found(text):
    report = DoctorReport("cremad", text, counts={text: text})
    report.add("missing", text, text)
    shown = _shown(report.render())
    assert shown.count(text) == 5
    assert "cremad: broken, 1 errors, 0 notes" in shown


@pytest.mark.parametrize("text", HOSTILE)
def test_a_screen_shows_names(text):
    with Screen() as screen:
        screen.console = terminal.console(
            file=io.StringIO(), force_terminal=True, width=100, height=20
        )
        screen.line(text)
        screen.step(1, 2, text)
        table = BalanceTable()
        table.add({text: {"accuracy": 1.0}})
    shown = screen.console.file.getvalue()
    assert shown.count(text) >= 2
    assert text in _shown(table)


def test_what_is_no_letter_is_shown_by_its_escape():
    text = terminal.text("a\x1b[31mb\udcffc\r\nd").plain
    assert text == "a\\x1b[31mb\\udcffc\\r\nd"


def test_a_folder_with_brackets_through_the_command(tmp_path):
    folder = tmp_path / "[a]" / "[" / "b]"
    for name in ("AudioWAV/1001_DFA_ANG_XX.wav", "VideoFlash/[b].txt"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(b"broken")
    words = ["data", "doctor", "cremad", "--data-dir", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "keras_balance.cli", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 2, done.stderr
    assert "[a]/[/b]" in re.sub(r"\s", "", done.stdout)
    assert "Error" not in done.stderr


def test_consoles_and_tables_are_made_in_one_place():
    made = re.compile(
        r"import (rich|Console|Table|Text|Progress)\b|rich\.markup"
    )
    found = {
        file.relative_to(ROOT).as_posix()
        for file in ROOT.rglob("*.py")
        if made.search(file.read_text())
    }
    assert found == {"terminal.py"}
