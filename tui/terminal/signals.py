"""What goes to the terminal beside the screen: its title and, if wanted, a notice. Sequences only; who writes them is
the app."""

from __future__ import annotations

from tui.render.bars.status import TITLE
from tui.render.glyphs import mark
from tui.render.lines import fit
from tui.text import sanitize

SAVE_TITLE = "\x1b[22;0t"
RESTORE_TITLE = "\x1b]2;\x07\x1b[23;0t"
"""Takes our title away for terminals that keep none (macOS Terminal), then brings the old one back where it was kept
(xterm, tmux, kitty, iTerm2, VTE)."""

NOTICE_WIDTH = 120
"""Cells of a notice: desktops show no more than one or two lines."""


def title(running: int, waiting: int) -> str:
    """The words of the title: numbers of sessions with the glyphs of the status bar, nothing from the database."""
    counts = [(waiting, mark("waiting").glyph), (running, mark("tool").glyph)]
    return " ".join([*(f"{glyph}{count}" for count, glyph in counts if count), TITLE])


def set_title(words: str) -> str:
    """OSC 2: the title of the window, in tmux that of the pane."""
    return f"\x1b]2;{words}\x07"


def notice(words: str, in_tmux: bool) -> str:
    """A bell, and OSC 9: a desktop notification in iTerm2, kitty, WezTerm, Ghostty, foot and others, and nothing
    elsewhere. tmux hands it on when it has `allow-passthrough on`; the bell it always notices."""
    text = fit(sanitize.label(f"{TITLE}: {words}", 400), NOTICE_WIDTH)
    sequence = f"\x1b]9;{text}\x07"
    if in_tmux:
        sequence = "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return "\x07" + sequence
