"""Glyphs are one cell wide in every terminal, and every state of the model has one."""

from __future__ import annotations

import unicodedata

import pytest

from tui.model import urgency
from tui.render.glyphs import ASCII, UNICODE, Glyphs, mark
from tui.render.lines import ROLES

# Text-style characters that fonts and terminals also draw as wide emoji (Unicode emoji-data.txt, Emoji=Yes).
_EMOJI = set("▶◀✔✖☑⏸⏹▪▫◻◼◽◾⚠⚙☠❗❓ℹ")


def every_glyph(glyphs: Glyphs) -> list[str]:
    """All characters of a set."""
    return [look.glyph for look in glyphs.states.values()] + [part for part in glyphs[1:] if isinstance(part, str)]


def test_unicode_glyphs_are_narrow_and_no_emoji() -> None:
    for glyph in every_glyph(UNICODE):
        assert len(glyph) == 1
        assert unicodedata.east_asian_width(glyph) in ("N", "Na"), glyph
        assert glyph not in _EMOJI


def test_the_ascii_set_is_ascii() -> None:
    assert all(glyph.isascii() and len(glyph) == 1 for glyph in every_glyph(ASCII))


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_state_has_a_glyph_a_word_and_a_known_role(glyphs: Glyphs) -> None:
    for name in urgency.ORDER:
        look = glyphs.states[name]
        assert look.word
        assert look.role in ROLES


def test_a_state_of_a_later_version_is_shown_by_its_word() -> None:
    assert mark("dreaming").word == "dreaming"
