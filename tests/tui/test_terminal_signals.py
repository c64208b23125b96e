"""The sequences beside the screen: only our words and numbers get into a title, nothing harmful anywhere."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from tui.terminal.clipboard import SCREEN_TAKES
from tui.terminal.signals import NOTICE_WIDTH, notice, set_title, title

HOSTILE = "\x1b]0;owned\x07 \x1b\\ \x9c \x9d52;c;x\x9c \u202etxet\u202c \n\r\x00\x7f \x1bPtmux;\x1b\x1b[2J\x1b\\ end"


@pytest.mark.parametrize(
    ("running", "waiting", "words"),
    [
        (0, 0, "opencode-viewer"),
        (3, 1, "?1 ●3 opencode-viewer"),
        (3, 0, "●3 opencode-viewer"),
        (0, 2, "?2 opencode-viewer"),
    ],
)
def test_a_title_has_the_counts_that_are_not_nothing(running: int, waiting: int, words: str) -> None:
    assert title(running, waiting) == words
    assert set_title(title(running, waiting)) == f"\x1b]2;{words}\x07"


@pytest.mark.parametrize("words", [HOSTILE, "漢字" * 200, "4;1;100"])
def test_what_stands_in_a_notice_is_one_short_harmless_line(words: str) -> None:
    found = re.fullmatch(r"\x07\x1b\]9;([^\x00-\x1f\x7f-\x9f\u202a-\u202e]*)\x07", notice(words, {}))
    assert found is not None
    assert cell_len(found[1]) <= NOTICE_WIDTH
    # A number in front would be a command to Windows Terminal and ConEmu: OSC 9;4 draws progress.
    assert found[1].startswith("opencode-viewer: ")


def test_in_tmux_every_escape_of_the_notice_is_doubled() -> None:
    told = notice("done", {"TMUX": "/tmp/tmux-1000/default,1,0"})
    assert told == "\x07\x1bPtmux;\x1b\x1b]9;opencode-viewer: done\x07\x1b\\"


def test_in_gnu_screen_the_notice_goes_to_the_terminal_around_it_and_the_bell_to_screen() -> None:
    told = notice("done", {"STY": "123.pts-1.host"})
    assert told == "\x07\x1bP\x1b]9;opencode-viewer: done\x07\x1b\\"
    longest = notice("漢é" * 500, {"STY": "123.pts-1.host"}, "777", bell=False)
    pieces = longest.split("\x1b\\")[:-1]
    assert max(len(piece.encode()) for piece in pieces) <= SCREEN_TAKES + len("\x1bP")
    assert "".join(piece.removeprefix("\x1bP") for piece in pieces) == notice("漢é" * 500, {}, "777", bell=False)


@pytest.mark.parametrize(
    "environ", [{"TERM": "rxvt-unicode-256color"}, {"TERM": "foot"}, {"TERM": "xterm-256color", "VTE_VERSION": "7600"}]
)
def test_terminals_that_know_only_the_notification_of_urxvt_get_that(environ: dict[str, str]) -> None:
    assert notice("a;b", environ) == "\x07\x1b]777;notify;opencode-viewer;a,b\x07"


@pytest.mark.parametrize("words", [HOSTILE, "漢字" * 200, "4;1;100", ";;;"])
def test_what_stands_in_the_notification_of_urxvt_is_one_short_harmless_text(words: str) -> None:
    pattern = r"\x1b\]777;notify;opencode-viewer;([^;\x00-\x1f\x7f-\x9f\u202a-\u202e]*)\x07"
    found = re.fullmatch(pattern, notice(words, {}, "777", bell=False))
    assert found is not None
    assert cell_len(found[1]) <= NOTICE_WIDTH


@pytest.mark.parametrize(("osc", "count"), [("auto", 1), ("9", 1), ("777", 1), ("both", 2), ("none", 0)])
def test_the_user_chooses_what_the_terminal_is_asked(osc: str, count: int) -> None:
    assert notice("done", {}, osc).count("\x1b]") == count
    assert notice("done", {}, osc).startswith("\x07")
    assert "\x07" not in notice("done", {}, "none", bell=False)
