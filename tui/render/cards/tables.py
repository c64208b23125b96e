"""A Markdown table as lines: columns as wide as what stands in them, in cells, shrunk to the room there is; what is too
long for its column goes on below in the same column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from tui.render.lines import Line, Span, cut_out, plain, width_of, wrap

LEAST = 4
"""Cells to which a column is shrunk at most; a table of more columns than fit goes on to the right."""
GAP = " │ "

_CELL = re.compile(r"(?<!\\)\|")


def cells(text: str) -> list[str]:
    """The texts of the cells of a line."""
    text = text.strip()
    text = text[1:] if text.startswith("|") else text
    text = text[:-1] if text.endswith("|") and not text.endswith("\\|") else text
    return [cell.strip() for cell in _CELL.split(text)]


def alignments(delimiter: str) -> list[str]:
    """`left`, `right` or `center` of each column, from the line of dashes and colons."""
    sides = {(True, True): "center", (False, True): "right"}
    return [sides.get((cell.startswith(":"), cell.endswith(":")), "left") for cell in cells(delimiter)]


def columns(rows: Iterable[Sequence[Line]]) -> list[int]:
    """The cells that each column needs."""
    widths: list[int] = []
    for row in rows:
        widths += [0] * (len(row) - len(widths))
        for number, cell in enumerate(row):
            widths[number] = max(widths[number], width_of(cell))
    return widths


def shrunk(widths: Sequence[int], width: int) -> list[int]:
    """The columns in `width` cells, gaps included: the widest give way first, none below LEAST."""
    room = width - len(GAP) * (len(widths) - 1)
    if sum(widths) <= room:
        return list(widths)
    cap, left = LEAST, room
    ordered = sorted(widths)
    for place, needed in enumerate(ordered):
        share = left // (len(ordered) - place)
        if needed > share:
            cap = max(LEAST, share)
            break
        left -= needed
    return [min(needed, cap) for needed in widths]


def laid(row: Sequence[Line], widths: Sequence[int], sides: Sequence[str], broken: bool) -> list[Line]:
    """A row as lines, every one of them with all columns; one line from which long cells stick out unless `broken`."""
    missing: list[Line] = [[]] * (len(widths) - len(row))
    pieces = [_broken(cell, width) if broken else [cell] for cell, width in zip([*row, *missing], widths, strict=True)]
    lines: list[Line] = []
    for parts in zip_longest(*pieces, fillvalue=()):
        spans: list[Span] = []
        for number, part in enumerate(parts):
            side = sides[number] if number < len(sides) else "left"
            spans += [(GAP, "dim")] if number else []
            spans += _filled(part, widths[number], side)
        lines.append(spans)
    return lines


def rule(widths: Sequence[int]) -> Line:
    """The line below the names of the columns."""
    return [("─┼─".join("─" * width for width in widths), "dim")]


def _broken(cell: Line, width: int) -> list[Line]:
    if width_of(cell) <= width:
        return [cell]
    text = plain(cell)
    lines: list[Line] = []
    at = 0
    for piece in wrap(text, max(2, width)):
        # Only spaces are lost at a break, so the next piece is the next place where it fits.
        at = text.find(piece, at)
        lines.append(cut_out(cell, at, at + len(piece)))
        at += len(piece)
    return lines


def _filled(part: Line, width: int, side: str) -> list[Span]:
    space = max(0, width - width_of(part))
    before = {"left": 0, "right": space}.get(side, space // 2)
    spans = [(" " * before, "text"), *part, (" " * (space - before), "text")]
    return [span for span in spans if span[0]]
