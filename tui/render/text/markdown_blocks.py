"""Which lines of a Markdown text are code, tables, titles: told by markdown-it, which knows what stands inside of what.

Only blocks are parsed, never what stands in a line; the painter does that for the lines in sight. On this path a text
costs 1 ms for 2 kB of prose, up to 0.5 s where each of LINES_LIMIT lines is a block of its own. A longer text is looked
through for fences and tables that stand at the left edge, which takes 1 ms for 1 MB.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

SIZE_LIMIT = 100_000
"""Characters of a text that is parsed."""
LINES_LIMIT = 5_000
"""Lines of a text that is parsed."""

Kind = Literal["open", "code", "close", "title", "underline", "verbatim"]


class Piece(NamedTuple):
    """The lines from `first` to `stop` (exclusive) that are no prose: `open` and `close` a fence, `code` in one or
    indented, `title` and `underline` a heading of two lines, `verbatim` HTML. They stand in so many quotes."""

    first: int
    stop: int
    kind: Kind
    quotes: int = 0


Table = tuple[int, int]
"""The first line of a table and the one behind its last."""

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)")
_DELIMITER = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")


def blocks(lines: Sequence[str], size: int) -> tuple[list[Piece], list[Table]]:
    """What of the lines is no prose, and the tables, both ascending. `size` is the length of the text in characters."""
    if size > SIZE_LIMIT or len(lines) > LINES_LIMIT:
        pieces = _fences(lines)
        return pieces, _tables(lines, pieces)
    return _parsed(lines)


@cache
def _parser() -> MarkdownIt:
    # Not before there is Markdown to read: it takes as long to import as the model.
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").disable("inline")


def _parsed(lines: Sequence[str]) -> tuple[list[Piece], list[Table]]:
    pieces: list[Piece] = []
    tables: list[Table] = []
    quotes = 0
    for token in _parser().parse("\n".join(lines) + "\n"):
        quotes += {"blockquote_open": 1, "blockquote_close": -1}.get(token.type, 0)
        if token.map is None:
            continue
        first, stop = token.map[0], min(token.map[1], len(lines))
        if token.type == "fence":
            pieces += _fence(token, first, stop, quotes)
        elif token.type == "code_block":
            pieces.append(Piece(first, stop, "code", quotes))
        elif token.type == "heading_open" and token.markup in ("=", "-"):
            pieces += [Piece(first, stop - 1, "title", quotes), Piece(stop - 1, stop, "underline", quotes)]
        elif token.type == "html_block":
            pieces.append(Piece(first, stop, "verbatim", quotes))
        elif token.type == "table_open" and not quotes:
            # A line without a pipe is a row by the letter, and prose to whoever wrote it.
            ends = next((at for at in range(first, stop) if "|" not in lines[at]), stop)
            tables += [(first, ends)] if ends - first > 1 else []
    return pieces, tables


def _fence(token: Token, first: int, stop: int, quotes: int) -> list[Piece]:
    """A fence goes to the end of what it stands in when nothing closes it."""
    inside = token.content.count("\n")
    closed = stop - first - 1 > inside
    found = [Piece(first, first + 1, "open", quotes), Piece(first + 1, stop - closed, "code", quotes)]
    return [*found, Piece(stop - 1, stop, "close", quotes)] if closed else found


# -- a long text ------------------------------------------------------------------------------------------------


def _fences(lines: Sequence[str]) -> list[Piece]:
    pieces: list[Piece] = []
    mark, opened = "", 0
    for index, text in enumerate(lines):
        # Looking at the first characters first: nearly no line of a long text is a fence.
        if "```" not in text[:6] and "~~~" not in text[:6]:
            continue
        match = FENCE.match(text)
        if match is None:
            continue
        if not mark:
            if match[1][0] == "`" and "`" in text[match.end() :]:
                continue  # code in one line that begins with three ticks
            mark, opened = match[1], index
            pieces.append(Piece(index, index + 1, "open"))
        elif match[1].startswith(mark) and not text[match.end(1) :].strip():
            mark = ""
            pieces += [Piece(opened + 1, index, "code"), Piece(index, index + 1, "close")]
    if mark:
        pieces.append(Piece(opened + 1, len(lines), "code"))
    return pieces


def _tables(lines: Sequence[str], pieces: list[Piece]) -> list[Table]:
    """Lines with pipes outside of code, the second of them dashes."""
    found: list[Table] = []
    at = 0
    for piece in [*pieces, Piece(len(lines), len(lines), "code")]:
        first = -1
        for index in range(at, piece.first + 1):
            if index < piece.first and "|" in lines[index]:
                first = index if first < 0 else first
            elif first >= 0:
                if index - first > 1 and _DELIMITER.match(lines[first + 1]):
                    found.append((first, index))
                first = -1
        at = piece.stop
    return found
