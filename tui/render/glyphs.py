"""Each state as one glyph, one word and one role of colour: the glyph and the word say it, colour only repeats.

Every glyph is narrow by Unicode's own table (East Asian Width N or Na) and has no emoji form,
because terminals draw the rest two cells wide now and then; a test holds them to it. For terminals and fonts without
them there is ASCII, which replaces what has been drawn, borders and bars included.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from rich.cells import cell_len


class Mark(NamedTuple):
    """How a state looks: `glyph` is one cell wide, `word` goes beside it where there is room, `role` colours it."""

    glyph: str
    word: str
    role: str


class Glyphs(NamedTuple):
    """All of them: `states` by state name, then the marks that are no state."""

    states: dict[str, Mark]
    unknown: Mark
    fresh: str
    fold_open: str
    fold_closed: str
    prompt: str
    text: str
    reasoning: str
    compaction: str


_ACTIVE = ("writing", "thinking", "tool", "compacting", "starting")

GLYPHS = Glyphs(
    states={
        **{name: Mark("►", name, "active") for name in _ACTIVE},
        "running": Mark("►", "running", "active"),
        "waiting": Mark("?", "waiting", "warn"),
        "permission": Mark("?", "permission", "warn"),
        "between": Mark("▹", "between steps", "active"),
        "idle": Mark("◦", "idle", "dim"),
        "completed": Mark("✓", "done", "good"),
        "stalled": Mark("!", "stalled", "warn"),
        "orphaned": Mark("☓", "orphaned", "warn"),
        "aborted": Mark("⊘", "aborted", "dim"),
        "suspended": Mark("⊚", "suspended", "warn"),
        "cancelled": Mark("⊘", "cancelled", "dim"),
        "truncated": Mark("⊘", "truncated", "warn"),
        "failed": Mark("✗", "failed", "bad"),
        "archived": Mark("∎", "archived", "dim"),
    },
    unknown=Mark("◦", "", "dim"),
    fresh="∙",
    fold_open="▾",
    fold_closed="▸",
    prompt="❯",
    text="❝",
    reasoning="∿",
    compaction="⊟",
)

_BLOCKS = {chr(code): "#" for code in range(0x2580, 0x25A0)} | {chr(code): "+" for code in range(0x2500, 0x2580)}
_ASCII = str.maketrans(
    # Borders and scrollbars first, as Textual may draw any of them.
    _BLOCKS
    | dict(zip("─━│┃▏▎▕▐▌▔▀", "--||||||||--", strict=False))
    | dict(zip("▁▂▃▄▅▆▇█", "_.-=+*#@", strict=True))
    | dict(zip("►▹◦✓☓⊘⊚✗∎∙▾▸❯❝∿⊟", '>~-+x/@X.*v>:"~=', strict=True))
    | dict(zip("…Δ·•›×●≤←→↑↓", "~+-*>x*<<>^v", strict=True))
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


def mark(state: str) -> Mark:
    """How the state of that name looks; a name from a later version gets a quiet dot and its own word."""
    return GLYPHS.states.get(state) or GLYPHS.unknown._replace(word=state)
