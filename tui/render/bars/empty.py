"""The screen without a session: sentences in its middle."""

from __future__ import annotations

import textwrap

from tui.no_sessions import NoSessions
from tui.render.lines import Line, width_of
from tui.text import sanitize

WIDEST = 76
"""Columns of the sentences, on a screen that has more."""
DEMO = "opencode-viewer --demo shows what it will be like"


def empty_lines(words: NoSessions, width: int, height: int) -> list[Line]:
    """The sentences, each folded to the room and centred."""
    room = max(1, min(WIDEST, width - 2))
    blank: Line = []
    lines = [blank] * max(0, (height - 8) // 3)
    for text, role in ((words.headline, "strong"), (words.advice, "text"), (words.looked, "dim"), (DEMO, "dim")):
        lines += [_centred(piece, role, width) for piece in textwrap.wrap(sanitize.label(text, 1000), room)]
        if role == "text":
            lines.append(blank)
    return lines[:height]


def _centred(text: str, role: str, width: int) -> Line:
    line: Line = [(text, role)]
    return [(" " * max(0, (width - width_of(line)) // 2), "text"), *line]
