"""What goes to the terminal beside the screen: its title and, if wanted, a notice. Sequences only; who writes them is
the app."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tui.render.bars.status import TITLE
from tui.render.glyphs import mark
from tui.render.lines import fit
from tui.terminal.clipboard import SCREEN, SCREEN_TAKES, TMUX, multiplexer
from tui.text import sanitize

SAVE_TITLE = "\x1b[22;0t"
RESTORE_TITLE = "\x1b]2;\x07\x1b[23;0t"
"""Takes our title away for terminals that keep none (macOS Terminal), then brings the old one back where it was kept
(xterm, tmux, kitty, iTerm2, VTE)."""

NOTICE_WIDTH = 120
"""Cells of a notice: desktops show no more than one or two lines."""
OSC = ("auto", "9", "777", "both", "none")
"""The ways to ask a terminal for a desktop notification; the first takes what the terminal is known to understand."""


def title(running: int, waiting: int) -> str:
    """The words of the title: numbers of sessions with the glyphs of the status bar, nothing from the database."""
    counts = [(waiting, mark("waiting").glyph), (running, mark("tool").glyph)]
    return " ".join([*(f"{glyph}{count}" for count, glyph in counts if count), TITLE])


def set_title(words: str) -> str:
    """OSC 2: the title of the window, in tmux that of the pane."""
    return f"\x1b]2;{words}\x07"


def notice(words: str, environ: Mapping[str, str], osc: str = "auto", bell: bool = True) -> str:
    """A bell, and a desktop notification as the terminal understands it: `osc` is one of OSC. The bell is for the
    terminal, tmux or screen that shows us, the notification for the terminal around them."""
    rings = "\x07" if bell else ""
    text = fit(sanitize.label(words, 400), NOTICE_WIDTH - len(TITLE) - 2)
    kinds = {"auto": (_understood(environ),), "both": ("9", "777")}.get(osc, (osc,))
    # A semicolon would part what is one text; behind our name OSC 9 takes no number for a command of its own.
    forms = {"9": f"\x1b]9;{TITLE}: {text}\x07", "777": f"\x1b]777;notify;{TITLE};{text.replace(';', ',')}\x07"}
    return rings + "".join(passed_on(forms[kind], environ) for kind in kinds if kind in forms)


def _understood(environ: Mapping[str, str]) -> str:
    """OSC 9 is known to iTerm2, kitty, WezTerm, Ghostty, Windows Terminal and others; OSC 777 to those that never took
    that over (urxvt, terminals like GNOME's), and to foot, which knew it first."""
    known = environ.get("TERM", "").startswith(("rxvt", "foot")) or environ.get("VTE_VERSION")
    return "777" if known else "9"


def passed_on(sequence: str, environ: Mapping[str, str]) -> str:
    """A sequence for the terminal around a multiplexer. tmux hands it on when it has `allow-passthrough on`, GNU screen
    always, in pieces of what it takes at once."""
    around = multiplexer(environ)
    if around == TMUX:
        return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if around == SCREEN:
        return "".join(f"\x1bP{piece}\x1b\\" for piece in _pieces(sequence))
    return sequence


def _pieces(sequence: str) -> Iterator[str]:
    """A sequence in pieces of at most SCREEN_TAKES bytes, cut between characters."""
    piece, size = "", 0
    for character in sequence:
        if size + len(character.encode()) > SCREEN_TAKES:
            yield piece
            piece, size = "", 0
        piece, size = piece + character, size + len(character.encode())
    yield piece
