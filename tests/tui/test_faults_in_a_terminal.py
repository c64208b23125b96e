"""An error of our own in the installed program, on a real pseudo-terminal: what stands there, and how it ends."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui import work_done
from tests.tui.test_terminal import DEADLINE_S, Terminal
from tui.exit_codes import INTERNAL

PLANTS = """\
import importlib, sys
from pathlib import Path
from tui import cli

flag, times, place = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
module, kind, name = place.split(":")
owner = getattr(importlib.import_module(module), kind)
original = getattr(owner, name)
left = [times]

def planted(*arguments, **options):
    if left[0] and flag.exists():
        left[0] -= 1
        raise RuntimeError("planted")
    return original(*arguments, **options)

setattr(owner, name, planted)
sys.exit(cli.main(sys.argv[4:]))
"""
"""The command with a function that raises, as often as it is told to, as soon as a file is there."""

PLACES = {
    "apply": "tui.model.store.store:Store:apply",
    "view": "tui.view:View:apply",
    "tick": "tui.view:View:tick",
    "paint": "tui.widgets.session_tree:SessionTree:render_line",
    "answer": "tui.widgets.detail:Detail:deliver",
    "key": "tui.view:View:move",
    "queue": "tui.app:ViewerApp:health_changed",
}
ONCE = {**PLACES, "timer": "tui.view:View:rest"}
"""A timer that waits for a rest never runs while keys are pressed."""
REQUEST = "adapter.local:OpencodeSource:request"
ALWAYS = "1000000"
PACE_S = 0.1
"""Seconds between keys: what is pressed faster than it is worked off piles up."""


class Planted:
    """The demo with an error in it, which `goes_off`."""

    def __init__(self, place: str, times: str, directory: Path) -> None:
        self.flag, self.state = directory / "now", directory / "state"
        self.flag.parent.mkdir(exist_ok=True)
        arguments = ("-c", PLANTS, str(self.flag), times, ONCE[place], "--demo", "--demo-speed", "10")
        self.terminal = Terminal(*arguments, command=Path(sys.executable), XDG_STATE_HOME=str(self.state))
        self.terminal.until("Make the retry test")
        # One list with what has happened unfolded: it is longer than the screen, so lines come into sight.
        self.terminal.child.send("oo")
        self.terminal.until("The back-off test")

    def goes_off(self) -> None:
        self.flag.touch()
        # A row that has not been drawn, a text that has not been read, a move.
        for key in "jj3jjjG":
            self.terminal.child.send(key)
            self.terminal.read()

    @property
    def log(self) -> str:
        (path,) = self.state.rglob("errors.log")
        return path.read_text()


@pytest.fixture
def planted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Planted]:
    planted = Planted(*request.param, tmp_path)
    yield planted
    planted.terminal.child.close(force=True)


@pytest.mark.parametrize("planted", [(place, "1") for place in ONCE], indirect=True, ids=ONCE)
def test_one_error_is_shown_and_the_program_goes_on(planted: Planted) -> None:
    terminal = planted.terminal
    planted.goes_off()
    terminal.until("has a bug: RuntimeError: planted")
    terminal.until(r"loaded\s+anew")
    terminal.until("Make the retry test")
    assert "RuntimeError: planted" in planted.log
    terminal.child.send("\x1b")
    terminal.until_gone("has a bug")
    assert terminal.quit() == 0
    terminal.assert_restored()


@pytest.mark.parametrize("planted", [(place, ALWAYS) for place in PLACES], indirect=True, ids=PLACES)
def test_an_error_that_stays_ends_the_program_with_a_report_on_a_terminal_as_it_was(planted: Planted) -> None:
    terminal = planted.terminal
    planted.goes_off()
    end = time.monotonic() + DEADLINE_S
    while terminal.read() and time.monotonic() < end:
        # A key and an answer that lead there again, also after everything was loaded anew.
        terminal.child.send("k2k3")
        terminal.read(PACE_S)
    assert terminal.ended() == INTERNAL
    terminal.assert_restored()
    report = terminal.raw[terminal.raw.rindex(b"\x1b[?1049l") :].decode()
    words = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]|\s", "", report)
    assert "opencode-viewerhasabug:RuntimeError:planted" in words
    assert "Traceback" not in report
    assert "RuntimeError: planted" in planted.log


def test_an_error_of_a_request_is_shown_until_escape_and_the_next_request_is_answered(tmp_path: Path) -> None:
    work_done.write(tmp_path / "opencode.db")
    flag = tmp_path / "now"
    arguments = ("-c", PLANTS, str(flag), "1", REQUEST, "--db", str(tmp_path / "opencode.db"))
    terminal = Terminal(*arguments, command=Path(sys.executable))
    try:
        terminal.until(work_done.old(1))
        flag.touch()
        terminal.child.send("Gl")
        terminal.until(r"cannot be read: RuntimeError: planted")
        terminal.child.send("\x1b")
        terminal.until_gone("planted")
        terminal.child.send("kl")
        terminal.until("Please do it")
        assert terminal.quit() == 0
        terminal.assert_restored()
    finally:
        terminal.child.close(force=True)
