"""How a row of the tree stands at a width: indentation, fold marker, glyph, words, and on the right aligned columns.

Pure: what the row says is given (`tree_row.py`, `heading.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from tui.model.records import Row
from tui.render.glyphs import GLYPHS
from tui.render.lines import Line, Span, cut, fit, pad, segments, width_of

INDENT = 2
"""Cells a level of the tree is moved to the right."""

_DEEPEST = 8
"""Levels that are indented at any width. A wide tree indents more; rows that are deeper still stay at the last level,
so that sub-agents of sub-agents keep room for words."""


class Column(NamedTuple):
    """A column on the right: it appears while the words keep at least `words` cells."""

    name: str
    heading: str
    width: int
    words: int


MONEY_WIDTH, IO_WIDTH, _MODEL_WIDTH = 7, 10, 16

# From the most to the least useful; the first that does not fit ends the list, so columns never swap places.
_BY_USE = (
    Column("time", "time", 6, 20),
    Column("cost", "cost", MONEY_WIDTH, 26),
    Column("project", "project", 10, 34),
    Column("took", "took", 6, 52),
    Column("agent", "agent", 10, 64),
    Column("model", "model", _MODEL_WIDTH, 72),
    Column("context", "context", 8, 60),
    Column("own", "own", MONEY_WIDTH, 60),
    Column("io", "in/out", IO_WIDTH, 60),
    Column("delta", "Δ", 7, 60),
)
_ORDER = ("agent", "model", "context", "project", "time", "took", "io", "delta", "own", "cost")
_LEFT = ("agent", "model", "context", "project")

_COLUMN_ROLES = {"cost": "text", "delta": "accent", "context": "active"}

_ALIGNED = 0.4
"""Share of the room at which the words of sessions begin, so that they can be read from top to bottom."""


class Cells(NamedTuple):
    """What one row says, before it is laid out: glyph and role, `words` (what it is called), `flags` (what must be
    seen), `rest` (what it does or said last), and a text per column. Flags are cut last, the rest first, but for the
    `head` cells of it that say what state it is in. `aligned`:
    flags and rest begin at one place in all rows. `fresh`: changed since the user last looked. A line fills what a
    `rule` leaves of its row. `facts` stand behind all else, each whole or not at all."""

    glyph: str
    role: str
    words: Line
    columns: dict[str, str]
    running: bool
    flags: Line = ()
    rest: Line = ()
    fresh: bool = False
    rule: bool = False
    aligned: bool = False
    time_role: str = "dim"
    head: int = 0
    facts: tuple[str, ...] = ()


@lru_cache(64)
def columns_for(width: int) -> tuple[Column, ...]:
    """The columns that a tree of that width shows, from left to right."""
    words = width - 1
    chosen: list[Column] = []
    for column in _BY_USE:
        words -= column.width + 1
        if words < column.words:
            break
        chosen.append(column)
    return tuple(sorted(chosen, key=lambda column: _ORDER.index(column.name)))


@lru_cache(64)
def _room(width: int) -> int:
    """The cells in front of the columns."""
    return width - 1 - sum(column.width + 1 for column in columns_for(width))


def _indent(row: Row, room: int) -> int:
    """The cells that a row is moved to the right: at most two fifths of the room, or _DEEPEST levels."""
    return INDENT * min(row.depth, max(_DEEPEST, room // (INDENT * 5 // 2)))


def heading(width: int, left: Line, kept: Line = ()) -> Line:
    """The line above the tree: `left`, then what is not cut for it, then the names of the columns."""
    shown, room = columns_for(width), _room(width)
    right = "".join(" " + pad(column.heading, column.width, right=column.name not in _LEFT) for column in shown)
    at_the_end = min(room, width_of(kept))
    spans = [*cut(left, room - at_the_end), *cut(kept, at_the_end)]
    return [*spans, (" " * (room - width_of(spans)), "dim"), (right + " ", "dim")]


def fold_span(row: Row, width: int) -> range:
    """The cells of a row that fold it when clicked; empty when nothing is below it."""
    if not row.fold:
        return range(0)
    begin = 1 + _indent(row, _room(width))
    return range(begin - 1, begin + 2)


def laid_out(cells: Cells, row: Row, width: int, styles: Mapping[str, Style]) -> list[Segment]:
    """The row as segments of exactly `width` cells. Empty cells of the columns at the left lend their room."""
    shown, room = columns_for(width), _room(width)
    indent = _indent(row, room)
    while shown and not cells.columns.get(shown[0].name):
        room += shown[0].width + 1
        shown = shown[1:]
    fold = {"open": GLYPHS.fold_open, "closed": GLYPHS.fold_closed}.get(row.fold, " ")
    left: list[Span] = [
        (" " * indent + (GLYPHS.fresh if cells.fresh else " "), "accent"),
        (fold + " ", "dim"),
        (cells.glyph + " " if cells.glyph else "", cells.role),
        *cells.words,
    ]
    if cells.rule:
        left += cells.flags if row.fold == "closed" else []
        left.append((" " + "─" * max(0, width - width_of(left) - 2), "dim"))
        return segments(left, width, styles)
    whole = width_of(cells.flags)
    rest = [*cells.rest]
    taken = width_of(left) + whole + width_of(rest)
    for fact in cells.facts:
        taken += 2 + width_of([(fact, "dim")])
        if taken > room:
            break
        rest.append((f"  {fact}", "dim"))
    words, flags = _shares(width_of(left), whole, width_of(rest), cells.head, room, cells.aligned)
    texts = cells.columns
    right = [
        (
            _in_column(texts.get(column.name, ""), column),
            cells.time_role if column.name == "time" else _COLUMN_ROLES.get(column.name, "dim"),
        )
        for column in shown
    ]
    return [
        *segments(left, words, styles),
        *segments(cells.flags, flags, styles),
        # Behind what is cut already the beginning of something else says nothing.
        *segments(rest if flags == whole else (), room - words - flags, styles),
        *segments([*right, (" ", "text")], width - room, styles),
    ]


@lru_cache(4_000)
def _in_column(text: str, column: Column) -> str:
    text = _middle(text, column.width) if column.name == "model" else text
    return " " + pad(text, column.width, right=column.name not in _LEFT)


def _shares(words: int, flags: int, rest: int, head: int, room: int, aligned: bool) -> tuple[int, int]:
    """How many cells of the room the words and the flags get; what is left is the rest's. Where all of it does not fit,
    the rest gives way down to its part of what flags and head leave, then the words, then the head, the flags last."""
    if words + flags + rest <= room:
        begin = max(words, min(int(room * _ALIGNED), room - flags - rest)) if aligned and flags + rest else words
        return begin, flags
    left = max(0, room - min(words, _LEAST_WORDS))
    flags, seen = min(flags, left), min(flags + head, left)
    words = min(words, max(room - flags - rest, int((room - seen) * _WORDS), min(_LEAST_WORDS, room - flags)))
    return words, flags


_WORDS = 0.75
"""Share of the room beside the flags that the words keep when the rest is too long."""
_LEAST_WORDS = 16
"""Cells that the words, and the signs before them, keep whatever the flags say: sessions are told apart by them."""


def _middle(text: str, width: int) -> str:
    """A text that is too long without its middle: what tells models apart stands at both ends."""
    if cell_len(text) <= width:
        return text
    head = fit(text, (width + 1) // 2)
    tail = text[::-1]
    end = ""
    for character in tail:
        if cell_len(head) + cell_len(character + end) > width:
            break
        end = character + end
    return head + end
