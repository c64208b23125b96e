"""What stands on a terminal, as text: pyte's screen without colours, at a ninth of its time.

Tests that wait for a text look at the screen after every piece that comes, several hundred times a second when several
programs are watched side by side; most of what comes are colours, and most of a screen stays as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

import pyte
from pyte import modes
from pyte.screens import Char
from wcwidth import wcwidth

UNSEEN = re.compile(rb"\x1b\[[<>=]\d*u|\x1b\[\?\d+\$p|\x1b\[[\d;:]*m")
"""The kitty keyboard protocol and private modes with `$`, which pyte does not know and a terminal ignores; and colours.
Of those one that is cut by the end of a piece goes to pyte."""


class Emulator:
    """A terminal of a given size; `feed` it with what a program writes."""

    def __init__(self, columns: int, rows: int) -> None:
        self._screen = _Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._lines: list[str] = []

    def feed(self, written: bytes) -> None:
        """Takes in a piece of what was written."""
        self._stream.feed(UNSEEN.sub(b"", written))

    def resize(self, columns: int, rows: int) -> None:
        """Gives it another size."""
        self._screen.resize(rows, columns)
        self._lines = []

    def reset(self) -> None:
        """Makes it empty, as a terminal that is turned on."""
        self._screen.reset()

    @property
    def display(self) -> list[str]:
        """The lines on it, as wide as it is."""
        screen = self._screen
        if len(self._lines) != screen.lines:
            self._lines = [""] * screen.lines
            screen.dirty.update(range(screen.lines))
        for row in screen.dirty:
            if row < screen.lines:
                cells = screen.buffer[row]
                # Right of a character that is two cells wide is one without any.
                self._lines[row] = "".join([cells[column].data for column in range(screen.columns)])
        screen.dirty.clear()
        return [*self._lines]


class _Screen(pyte.Screen):
    """Text without anything odd, which is nearly all, is put into its cells at once."""

    def draw(self, data: str) -> None:
        x = self.cursor.x
        is_plain = (data.isascii() and data.isprintable()) or all(map(_is_narrow, data))
        if not is_plain or x + len(data) > self.columns or modes.IRM in self.mode:
            # What joins a character of the line above changes that, too.
            self.dirty.add(max(0, self.cursor.y - 1))
            super().draw(data)
            return
        cells = self.buffer[self.cursor.y]
        for column, character in enumerate(data, x):
            cells[column] = _cell(character)
        self.cursor.x = x + len(data)
        self.dirty.add(self.cursor.y)


@lru_cache(maxsize=10_000)
def _cell(character: str) -> Char:
    return Char(character)


@lru_cache(maxsize=10_000)
def _is_narrow(character: str) -> bool:
    return bool(wcwidth(character) == 1)
