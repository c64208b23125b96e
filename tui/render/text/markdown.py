"""Markdown as models write it, line by line: headings, lists, quotes, code fences, emphasis, links, tables.

Every line is drawn from itself and the lists of blocks and tables, so a text of any size costs
only what is in sight. Nothing is left out but the marks themselves; what is not understood stays as it was written, and
so does what is a name: `__init__.py`, `src/**/*.ts`, `x*y*z`.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from tui.render.cards import tables
from tui.render.lines import Line, Span, pad, plain, width_of
from tui.render.text.document import Document
from tui.render.text.markdown_blocks import Piece, blocks
from tui.render.text.markdown_names import INSIDE_BEFORE, INSIDE_BEHIND, NAME
from tui.text import sanitize
from tui.text.raw_lines import FEED_OR_RETURN

INLINE_LIMIT = 4000
"""Longest line, in characters, that is searched for emphasis."""
TABLE_LIMIT = 2000
"""Most lines of a table that are measured."""
CELL_LIMIT = 48
"""Cells up to which the columns of a table in a text that is not broken to the pane are equally wide."""

_FENCE = re.compile(r"^(.*?)(?:`{3,}|~{3,})(.*)$")
_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_RULE = re.compile(r"^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$")
_ITEM = re.compile(r"^(\s*)([-*+]|\d{1,9}[.)])(\s+)(\[[ xX]\]\s+)?")
_QUOTE = re.compile(r"^ {0,3}((?:>\s?)+)")
_BEFORE, _BEHIND = rf"(?<!{INSIDE_BEFORE.pattern.removesuffix('$')})", rf"(?!{INSIDE_BEHIND.pattern})"
# Bounded repetition keeps a line full of asterisks from taking forever.
_INLINE = re.compile(
    r"(?P<code>(?P<ticks>`{1,3})(?!`)(?P<in_code>.{1,800}?)(?<!`)(?P=ticks)(?!`))"
    rf"|(?P<name>{NAME.pattern})"
    rf"|(?P<strong>{_BEFORE}\*\*(?=\S)(?P<in_strong>.{{1,400}}?)(?<=\S)\*\*{_BEHIND}"
    rf"|\b__(?=\S)(?P<in_strong2>.{{1,400}}?)(?<=\S)__\b{_BEHIND})"
    rf"|(?P<em>{_BEFORE}\*(?=[^\s*])(?P<in_em>[^*]{{1,400}}?)(?<=\S)\*(?![A-Za-z0-9_]){_BEHIND}"
    rf"|\b_(?=[^\s_])(?P<in_em2>[^_]{{1,400}}?)(?<=\S)_\b{_BEHIND})"
    r"|(?P<gone>~~(?=\S)(?P<in_gone>.{1,400}?)~~)"
    r"|(?P<link>!?\[(?P<in_link>[^\[\]]{1,400})\]\((?P<target>[^()\s]{1,800})(?:\s[^()]{0,200})?\))"
    r"|\\(?P<escaped>[!-/:-@\[-`{-~])"
)


class Markdown(Document):
    """A text in Markdown."""

    as_written = False
    ends = FEED_OR_RETURN

    def __init__(self, lines: sanitize.Lines, size: int) -> None:
        super().__init__(lines, size)
        self._pieces, self._tables = blocks(list(lines.raw), size)
        self._widths: dict[int, list[int]] = {}

    def line(self, index: int) -> Line:
        text = self.lines[index]
        piece = self._piece(index)
        if piece is not None:
            return _piece_line(text, piece)
        if table := self._table(index):
            # Without a pane to fit into: columns of a bearable width, from which a long cell sticks out.
            widths = [min(CELL_LIMIT, width) for width in self._columns(*table)]
            return self._rows(index, table[0], widths, broken=False)[0]
        return _block(text)

    def hanging(self, index: int) -> int:
        piece = self._piece(index)
        if piece is not None and piece.kind in ("open", "code", "close"):
            return 2
        text = self.lines[index]
        if match := _ITEM.match(text):
            return match.end()
        return width_of([(_quote_bar(match[1]), "dim")]) if (match := _QUOTE.match(text)) else 0

    def _piece(self, index: int) -> Piece | None:
        """The piece that a line is in; None in prose and tables."""
        place = bisect_right(self._pieces, (index, len(self.lines) + 1)) - 1
        return self._pieces[place] if place >= 0 and index < self._pieces[place].stop else None

    # --- tables ----------------------------------------------------------------------------------------------

    def laid_out(self, index: int, width: int) -> list[Line] | None:
        table = self._table(index)
        if table is None:
            return None
        widths = tables.shrunk(self._columns(*table), width)
        return self._rows(index, table[0], widths, broken=True)

    def _table(self, index: int) -> tuple[int, int] | None:
        """The first line of the table around a line and the one behind its last; None outside of tables."""
        place = bisect_right(self._tables, (index, len(self.lines))) - 1
        return self._tables[place] if place >= 0 and index < self._tables[place][1] else None

    def _rows(self, index: int, first: int, widths: list[int], broken: bool) -> list[Line]:
        if index == first + 1:
            return [tables.rule(widths)]
        return tables.laid(self._cells(index, first), widths, tables.alignments(self.lines[first + 1]), broken)

    def _cells(self, index: int, first: int) -> list[Line]:
        return [inline(cell, "strong" if index == first else "text") for cell in tables.cells(self.lines[index])]

    def _columns(self, first: int, stop: int) -> list[int]:
        if first not in self._widths:
            measured = [first, *range(first + 2, min(stop, first + TABLE_LIMIT))]
            widths = tables.columns(self._cells(index, first) for index in measured)
            # A row may have more cells than those that were measured.
            most = max(len(tables.cells(self.lines[index])) for index in range(first, stop))
            self._widths[first] = widths + [tables.LEAST] * (most - len(widths))
        return self._widths[first]


def _piece_line(text: str, piece: Piece) -> Line:
    """A line of code, of a fence, of a heading of two lines, of HTML."""
    if piece.kind in ("open", "close"):
        match = _FENCE.match(text)
        before, info = match.groups() if match else ("", "")
        name = info.strip() if piece.kind == "open" else ""
        edge = (f"── {name} " if name else "──", "dim")
        return [*_block(before), edge] if before.strip() else [(before, "text"), edge] if before else [edge]
    bars, rest = _unquoted(text, piece.quotes)
    if piece.kind == "code":
        return [*bars, (f"  {rest}", "code")]
    if piece.kind == "underline":
        return [*bars, ("─" * 24, "dim")]
    return [*bars, *(inline(rest, "heading") if piece.kind == "title" else [(rest, "text")])]


def _unquoted(text: str, quotes: int) -> tuple[list[Span], str]:
    """The bars of the quotes that a line stands in, and what is behind them."""
    match = re.match(rf"(?:\s*>){{1,{quotes}}}\s?", text) if quotes else None
    return ([(_quote_bar(match[0]), "dim")], text[match.end() :]) if match else ([], text)


def _quote_bar(marks: str) -> str:
    return "│ " * marks.count(">")


def _block(text: str) -> Line:
    """A line outside of code and tables."""
    if match := _HEADING.match(text):
        return [(f"{match[1]} ", "dim"), *inline(match[2], "heading")]
    if _RULE.match(text):
        return [("─" * 24, "dim")]
    if match := _ITEM.match(text):
        mark = pad("•", len(match[2])) if match[2] in "-*+" else match[2]
        spans: list[Span] = [(match[1], "text"), (mark, "key"), (match[3], "text")]
        rest = text[match.end() :]
        if match[4]:
            spans.append((match[4], "good" if "x" in match[4].lower() else "dim"))
        return [*spans, *inline(rest, "text")]
    if match := _QUOTE.match(text):
        return [(_quote_bar(match[1]), "dim"), *inline(text[match.end() :], "em")]
    return inline(text, "text")


def inline(text: str, base: str, depth: int = 2) -> list[Span]:
    """The spans of a piece of text: emphasis, code and links in their roles and without their marks."""
    if depth == 0 or len(text) > INLINE_LIMIT:
        return [(text, base)]
    spans: list[Span] = []
    at = 0
    for match in _INLINE.finditer(text):
        if match.start() > at:
            spans.append((text[at : match.start()], base))
        spans += _span(match, base, depth)
        at = match.end()
    return [*spans, (text[at:], base)] if at < len(text) or not spans else spans


def _span(match: re.Match[str], base: str, depth: int) -> list[Span]:
    if match["name"]:
        return [(match["name"], base)]
    if match["code"]:
        inner = match["in_code"]
        return [(inner.strip() or inner, "code")]
    if match["strong"]:
        return inline(match["in_strong"] or match["in_strong2"], "strong", depth - 1)
    if match["em"]:
        return inline(match["in_em"] or match["in_em2"], "em", depth - 1)
    if match["gone"]:
        return inline(match["in_gone"], "dim", depth - 1)
    if match["link"]:
        words = inline(match["in_link"], "accent", depth - 1)
        return words if plain(words) == match["target"] else [*words, (f" ({match['target']})", "dim")]
    return [(match["escaped"], base)]
