"""What the help screen says. The keys come from the bindings themselves, so the two cannot disagree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tui.model.status.table import LOOP, TABLE
from tui.render.glyphs import GLYPHS
from tui.render.lines import Line

_KEY_WIDTH = 22

_NAMES = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "question_mark": "?",
    "exclamation_mark": "!",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "shift+tab": "shift+tab",
    "G": "G",
    "H": "H",
}


def key_name(key: str) -> str:
    """A key as it is printed on a keyboard or in a footer."""
    return _NAMES.get(key, key)


def help_lines(groups: Iterable[tuple[str, Sequence[tuple[str, str]]]]) -> list[Line]:
    """Groups of (keys, description) and then what the glyphs and columns mean."""
    lines: list[Line] = []
    for heading, entries in groups:
        lines += [[(heading, "accent")]]
        for keys, description in entries:
            shown = "  ".join(key_name(key.strip()) for key in keys.split(","))
            lines.append([("  ", "text"), (shown.ljust(_KEY_WIDTH), "key"), (description, "text")])
        lines.append([])
    lines.append([("States", "accent")])
    for one in reversed(TABLE):
        words = f"{one.glyph} {one.word}".ljust(_KEY_WIDTH)
        lines.append([("  ", "text"), (words, one.role), (one.meaning or one.word, "text")])
    looping = f"{LOOP[0]} looping".ljust(_KEY_WIDTH)
    lines.append([("  ", "text"), (looping, LOOP[2]), ("calls the same in the same words again and again", "text")])
    fresh = GLYPHS.fresh.ljust(_KEY_WIDTH)
    lines += [
        [("  ", "text"), (fresh, "accent"), ("changed since you last looked at it", "text")],
        [("  ", "text"), ("a question mark".ljust(_KEY_WIDTH), "text"), ("inferred: the file does not say it", "text")],
        [],
        [("Columns", "accent")],
        [("  ", "text"), ("context".ljust(_KEY_WIDTH), "active"), ("of the last steps, while it runs", "text")],
        [("  ", "text"), ("own".ljust(_KEY_WIDTH), "text"), ("cost without sub-agents", "text")],
        [("  ", "text"), ("in/out".ljust(_KEY_WIDTH), "text"), ("tokens as billed, sub-agents included", "text")],
        [("  ", "text"), ("Δ".ljust(_KEY_WIDTH), "accent"), ("tokens that the step added to the context", "text")],
        [("  ", "text"), ("cost".ljust(_KEY_WIDTH), "text"), ("US dollars as opencode computed them", "text")],
    ]
    return lines
