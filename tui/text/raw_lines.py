"""The lines of a text of any size, cut out block by block when one of them is looked at.

20 MB in 400,000 strings take 40 ms to make and as much memory again as the text; of a text that has just been opened
fifty are drawn. To know how many there are it is enough to count.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import overload

BLOCK = 64 * 1024
"""Characters, at least, that are cut into lines at once: 0.2 ms, and 1 ms to follow the colours through them."""

CUT = 4
"""Blocks whose lines are kept: of what is in sight, and of where a search is."""

ANY_END = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where `str.splitlines` ends a line, and CR LF as one: for what is only looked at, so that nothing overwrites. The
feed first, because the first that is found shortens the search for the others."""
FEED = "\n"
"""Where a diff ends a line: everything else belongs to the line, a CR in front of the feed included."""
FEED_OR_RETURN = "\n\r"
"""Where Markdown ends a line, and CR LF as one."""

_FEED_OR_RETURN = re.compile(r"\r\n?|\n")


class RawLines(Sequence[str]):
    """The lines of a text as they came: to be searched and measured, never to be drawn. With ANY_END they are what
    `text.splitlines()` gives, with the others lines end there alone.

    `blocks` are the pieces of the text, each of whole lines; `lines_of` gives the lines of one by its number.
    """

    __slots__ = ("_split", "_starts", "blocks", "lines_of")

    def __init__(self, text: str, ends: str = ANY_END) -> None:
        self.blocks = blocks = list(_blocks(text, ends))
        self._split = split = _SPLITTERS[ends]
        self._starts = [0]
        for block in blocks:
            self._starts.append(self._starts[-1] + _count(block, ends))
        # Not around a method, which would hold this object, and its megabytes, in a cycle.
        self.lines_of = lru_cache(CUT)(lambda number: split(blocks[number]))

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
            yield from self._split(self.blocks[block])[at:]
            for text in self.blocks[block + 1 :]:
                yield from self._split(text)


def _feeds(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")


def _feeds_and_returns(text: str) -> list[str]:
    found = _FEED_OR_RETURN.split(text)
    return found if found[-1] else found[:-1]


_SPLITTERS: dict[str, Callable[[str], list[str]]] = {
    ANY_END: str.splitlines,
    FEED: _feeds,
    FEED_OR_RETURN: _feeds_and_returns,
}
"""The lines of a text that is not empty, by what ends them."""


def _blocks(text: str, ends: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = _end(text, at + BLOCK, ends)
        yield text[at:end]
        at = end


def _end(text: str, at: int, ends: str) -> int:
    """Behind the first end of a line from a place on."""
    while at < len(text):
        end = stop = at + BLOCK
        for mark in ends:
            found = text.find(mark, at, end)
            end = found if found >= 0 else end
        if end < stop:
            return end + (2 if text.startswith("\r\n", end) else 1)
        at = stop
    return len(text)


def _count(text: str, ends: str) -> int:
    """How many lines there are in a text that is not empty."""
    if any(mark in text for mark in ends[1:]):
        return len(_SPLITTERS[ends](text))
    return text.count("\n") + (not text.endswith("\n"))
