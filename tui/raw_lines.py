"""The lines of a text of any size, cut out block by block when one of them is looked at.

20 MB in 400,000 strings take 40 ms to make and as much memory again as the text; of a text that has just been opened
fifty are drawn. To know how many there are it is enough to count.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import overload

BLOCK = 64 * 1024
"""Characters, at least, that are cut into lines at once: 0.2 ms, and 1 ms to follow the colours through them."""

CUT = 4
"""Blocks whose lines are kept: of what is in sight, and of where a search is."""

_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where `str.splitlines` ends a line; the feed first, because the first that is found shortens the search for the
others."""


class RawLines(Sequence[str]):
    """What `text.splitlines()` gives, as it came: to be searched and measured, never to be drawn.

    `blocks` are the pieces of the text, each of whole lines; `lines_of` gives the lines of one by its number.
    """

    __slots__ = ("_starts", "blocks", "lines_of")

    def __init__(self, text: str) -> None:
        self.blocks = blocks = list(_blocks(text))
        self._starts = [0]
        for block in blocks:
            self._starts.append(self._starts[-1] + _count(block))
        # Not around a method, which would hold this object, and its megabytes, in a cycle.
        self.lines_of = lru_cache(CUT)(lambda number: blocks[number].splitlines())

    def __len__(self) -> int:
        return self._starts[-1]

    def place(self, index: int) -> tuple[int, int]:
        """The number of the block that a line is in, and the line's number in it. Raises IndexError."""
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        block = bisect_right(self._starts, index) - 1
        return block, index - self._starts[block]

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, int):
            block, at = self.place(index)
            return self.lines_of(block)[at]
        start, stop, step = index.indices(len(self))
        if step != 1:
            return [self[at] for at in range(start, stop, step)]
        found: list[str] = []
        while start < stop:
            block, at = self.place(start)
            found += self.lines_of(block)[at : at + stop - start]
            start = self._starts[block + 1]
        return found

    def __iter__(self) -> Iterator[str]:
        return self.behind(-1)

    def behind(self, index: int) -> Iterator[str]:
        """The lines behind one, without keeping any."""
        if index + 1 < len(self):
            block, at = self.place(index + 1)
            yield from self.blocks[block].splitlines()[at:]
            for text in self.blocks[block + 1 :]:
                yield from text.splitlines()


def _blocks(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = _end(text, at + BLOCK)
        yield text[at:end]
        at = end


def _end(text: str, at: int) -> int:
    """Behind the first end of a line from a place on."""
    while at < len(text):
        end = stop = at + BLOCK
        for mark in _ENDS:
            found = text.find(mark, at, end)
            end = found if found >= 0 else end
        if end < stop:
            return end + (2 if text.startswith("\r\n", end) else 1)
        at = stop
    return len(text)


def _count(text: str) -> int:
    """How many lines there are in a text that is not empty."""
    if any(mark in text for mark in _ENDS[1:]):
        return len(text.splitlines())
    return text.count("\n") + (not text.endswith("\n"))
