"""Glyphs are one cell wide in every terminal, and every state of the model has one."""

from __future__ import annotations

import ast
import unicodedata
from pathlib import Path
from typing import get_args

from tui.model.status import table as status
from tui.render.glyphs import GLYPHS, mark, plain
from tui.render.lines import ROLES

ROOT = Path(__file__).parent.parent.parent.parent

# Text-style characters that fonts and terminals also draw as wide emoji (Unicode emoji-data.txt, Emoji=Yes).
_EMOJI = set("▶◀✔✖☑⏸⏹▪▫◻◼◽◾⚠⚙☠❗❓ℹ")


EVERY = [*(look.glyph for look in status.TABLE), status.LOOP[0], *GLYPHS]
AS_BORDERS = {"●", "◐"}
"""Ambiguous in width, as the lines of borders are: where they are wide nothing lines up, and ASCII is the way out."""


def test_unicode_glyphs_are_narrow_and_no_emoji() -> None:
    for glyph in EVERY:
        assert len(glyph) == 1
        assert unicodedata.east_asian_width(glyph) in ("N", "Na") or glyph in AS_BORDERS, glyph
        assert glyph not in _EMOJI


def test_every_state_has_a_glyph_a_word_and_a_known_role() -> None:
    assert set(status.ORDER) == set(get_args(status.StateName))
    for look in status.TABLE:
        assert look.word
        assert look.role in ROLES


def test_glyphs_that_tell_states_apart_do_so_in_ascii() -> None:
    looks = {look.glyph for look in status.TABLE}
    assert len({plain(glyph) for glyph in looks}) == len(looks)


def literals(path: Path) -> set[str]:
    """The characters of a module's strings that are not ASCII, docstrings left out."""
    tree = ast.parse(path.read_text())
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {char for text in texts if id(text) not in docs for char in str(text.value) if not char.isascii()}


def test_everything_that_we_draw_has_one_cell_in_ascii() -> None:
    modules = [path for part in ("render", "widgets", "screens") for path in (ROOT / "tui" / part).glob("*.py")]
    drawn = {char: path.name for path in modules for char in literals(path) if unicodedata.category(char) != "Cc"}
    assert len(drawn) > 30
    assert {char: name for char, name in drawn.items() if not plain(char).isascii() or len(plain(char)) != 1} == {}


def test_text_of_others_stays_unless_the_encoding_does_not_have_it() -> None:
    assert plain("✓ naïve 漢字 e\u0301") == "+ naïve 漢字 e\u0301"
    assert plain("✓ naïve 漢字 e\u0301", "ascii") == "+ na?ve ???? e"
    assert plain("naïve 漢", "latin-1") == "naïve ??"


def test_borders_and_bars_of_every_kind_are_drawn_in_ascii() -> None:
    assert plain("".join(map(chr, range(0x2500, 0x25A0)))).isascii()
    assert plain("▏│─") == "||-"


def test_a_state_of_a_later_version_is_shown_by_its_word() -> None:
    assert mark("dreaming").word == "dreaming"
