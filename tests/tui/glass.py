"""A terminal's memory: which characters stand where, and in which colours, after all that was written to it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.cells import cell_len

_PIECES = re.compile(
    r"\x1b\[(?P<numbers>[0-9;]*)(?P<final>[Hm])|\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\n|[^\x1b\n]"
)

Cell = tuple[str, str]
"""A character, or "" right of one that is two cells wide, and the SGR sequence it was written under."""


class Glass:
    """Understands what Textual sends to draw: text, new lines, cursor positions and SGR, which it ends by itself."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], Cell] = {}
        self._x = self._y = 0
        self._style = ""

    def write(self, sent: Iterable[str]) -> None:
        """Takes in what was sent."""
        for piece in _PIECES.finditer("".join(sent)):
            if piece["final"] == "H":
                y, x = piece["numbers"].split(";") if piece["numbers"] else ("1", "1")
                self._x, self._y = int(x) - 1, int(y) - 1
            elif piece["final"] == "m":
                self._style = "" if piece["numbers"] in ("", "0") else piece["numbers"]
            elif piece[0] == "\n":
                self._x, self._y = 0, self._y + 1
            elif not piece[0].startswith("\x1b"):
                width = cell_len(piece[0])
                for x in range(width):
                    self.cells[self._y, self._x + x] = (piece[0] if x == 0 else "", self._style)
                self._x += width

    def differences(self, other: Glass) -> list[str]:
        """The lines that do not look the same on the other one, as both have them."""
        wrong = sorted({y for y, _ in {at for at, _ in self.cells.items() ^ other.cells.items()}})
        return [f"{y}: {self._line(y)!r} instead of {other._line(y)!r}" for y in wrong]

    def _line(self, y: int) -> str:
        row = sorted((x, text) for (line, x), (text, _) in self.cells.items() if line == y)
        return "".join(text for _, text in row).rstrip()
