"""Each state as one glyph, one word and one role of colour: the glyph and the word say it, colour only repeats.

Every glyph of the Unicode set is narrow by Unicode's own table (East Asian Width N or Na) and has no emoji form,
because terminals draw the rest two cells wide now and then; a test holds them to it.
"""

from __future__ import annotations

from typing import NamedTuple


class Mark(NamedTuple):
    """How a state looks: `glyph` is one cell wide, `word` goes beside it where there is room, `role` colours it."""

    glyph: str
    word: str
    role: str


class Glyphs(NamedTuple):
    """One complete set: `states` by state name, then the marks that are no state."""

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

UNICODE = Glyphs(
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

ASCII = Glyphs(
    states={
        name: Mark(
            {"►": ">", "▹": "~", "◦": "-", "✓": "+", "☓": "x", "⊘": "/", "✗": "X", "∎": "."}.get(
                mark.glyph, mark.glyph
            ),
            mark.word,
            mark.role,
        )
        for name, mark in UNICODE.states.items()
    },
    unknown=Mark("-", "", "dim"),
    fresh="*",
    fold_open="v",
    fold_closed=">",
    prompt=":",
    text='"',
    reasoning="~",
    compaction="=",
)


def mark(state: str, glyphs: Glyphs = UNICODE) -> Mark:
    """How the state of that name looks; a name from a later version gets a quiet dot and its own word."""
    return glyphs.states.get(state) or glyphs.unknown._replace(word=state)
