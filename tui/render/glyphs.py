"""The characters that are drawn: those of the states (`tui/model/status/table.py`), the other marks, and all in ASCII.

Each is one cell wide and has no emoji form, because terminals draw the rest two cells wide now and then; a test holds
them to it. Two of them are wide on a terminal that is set up for East Asian text, as the lines of borders are. For
terminals and fonts without them there is ASCII, which replaces what has been drawn, borders and bars included.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from rich.cells import cell_len

from tui.model.status.table import BY_NAME, LOOP, TABLE, Status


class Glyphs(NamedTuple):
    """The marks that are no state."""

    fresh: str = "∙"
    fold_open: str = "▾"
    fold_closed: str = "▸"
    prompt: str = "❯"
    text: str = "❝"
    reasoning: str = "~"
    compaction: str = "⊟"
    agent: str = "⤷"


GLYPHS = Glyphs()

_BLOCKS = {chr(code): "#" for code in range(0x2580, 0x25A0)} | {chr(code): "+" for code in range(0x2500, 0x2580)}
_ASCII = str.maketrans(
    # Borders and scrollbars first, as Textual may draw any of them.
    _BLOCKS
    | dict(zip("─━│┃▏▎▕▐▌▔▀", "--||||||||--", strict=False))
    | dict(zip("▁▂▃▄▅▆▇█", "_.-=+*#@", strict=True))
    | {look.glyph: look.ascii for look in TABLE}
    | {LOOP[0]: LOOP[1]}
    | dict(zip("∙▾▸❯❝⊟⤷", "'v>:\"=`", strict=True))
    | dict(zip("…Δ·•›×≤Σ←→↑↓", "~+-*>x<S<>^v", strict=True))
)


def plain(text: str, encoding: str = "") -> str:
    """The text with all that we draw in ASCII, cell for cell; other characters stay. With an encoding, what it does
    not have becomes a question mark for each cell."""
    if text.isascii():
        return text
    text = text.translate(_ASCII)
    if not encoding or text.isascii():
        return text
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(map(partial(_encodable, encoding=encoding), text))
    return text


def _encodable(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return "?" * cell_len(character)
    return character


def mark(state: str) -> Status:
    """How the state of that name looks; a name from a later version gets a quiet dot and its own word."""
    return BY_NAME.get(state) or BY_NAME["idle"]._replace(word=state)
