"""A terminal's memory: which characters stand where, and in which colours, after all that was written to it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.cells import cell_len

_PIECES = re.compile(
    r"\x1b\[(?P<numbers>[0-9;]*)(?P<final>[Hm])|\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\n|[^\x1b\n]"
)

Look = tuple[str, str, frozenset[str]]
"""The SGR codes of foreground and background, and of all else that is on."""

Cell = tuple[str, Look]
"""A character, or "" right of one that is two cells wide, and what it looks like. A space has no foreground."""

PLAIN: Look = ("39", "49", frozenset())
SEEN_ON_SPACES = {"4", "7", "9", "21", "53"}
"""Underlined, reversed, struck through, underlined twice, with a line above."""


def look_after(look: Look, numbers: str) -> Look:
    """What is written looks like after an SGR sequence of these numbers."""
    foreground, background, others = look
    codes = iter(numbers.split(";"))
    for code in codes:
        if code in ("", "0"):
            foreground, background, others = PLAIN
        elif code in ("38", "48"):
            kind = next(codes)
            color = ";".join([code, kind, *(next(codes) for _ in range(3 if kind == "2" else 1))])
            foreground, background = (color, background) if code == "38" else (foreground, color)
        elif re.fullmatch("(3|9)[0-9]", code):
            foreground = code
        elif re.fullmatch("(4|10)[0-9]", code):
            background = code
        else:
            assert 0 < int(code) < 10 or code in ("21", "53"), f"{code} ends something, or is not known"
            others = others | {code}
    return foreground, background, others


def cell(character: str, look: Look) -> Cell:
    """A character as it is seen."""
    if character == " " and not look[2] & SEEN_ON_SPACES:
        return " ", ("39", look[1], frozenset())
    return character, look


class Glass:
    """Understands what Textual sends to draw: text, new lines, cursor positions and SGR."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], Cell] = {}
        self._x = self._y = 0
        self._look = PLAIN

    def write(self, sent: Iterable[str]) -> None:
        """Takes in what was sent."""
        for piece in _PIECES.finditer("".join(sent)):
            if piece["final"] == "H":
                y, x = piece["numbers"].split(";") if piece["numbers"] else ("1", "1")
                self._x, self._y = int(x) - 1, int(y) - 1
            elif piece["final"] == "m":
                self._look = look_after(self._look, piece["numbers"])
            elif piece[0] == "\n":
                self._x, self._y = 0, self._y + 1
            elif not piece[0].startswith("\x1b"):
                width = cell_len(piece[0])
                for x in range(width):
                    self.cells[self._y, self._x + x] = cell(piece[0] if x == 0 else "", self._look)
                self._x += width

    def differences(self, other: Glass) -> list[str]:
        """The lines that do not look the same on the other one, as both have them."""
        wrong = sorted({y for y, _ in {at for at, _ in self.cells.items() ^ other.cells.items()}})
        return [f"{y}: {self._line(y)!r} instead of {other._line(y)!r}" for y in wrong]

    def _line(self, y: int) -> str:
        row = sorted((x, text) for (line, x), (text, _) in self.cells.items() if line == y)
        return "".join(text for _, text in row).rstrip()
