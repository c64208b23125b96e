"""A view of lines that can be searched: a text of any size, without ever holding up the screen."""

from __future__ import annotations

import re
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from textual.timer import Timer

from tui.render.lines import Line, cut_out, marked, width_of
from tui.render.text.document import Text
from tui.render.text.search import pattern_of
from tui.textual_patches.told import Told
from tui.widgets.line_view import LineView

SLICE = 0.006
"""Seconds that one slice of a search may take on the UI loop, and the pause before the next is a third of it."""
PAUSE = 0.002
FIRST_LINES, MOST_LINES = 200, 10_000
"""Lines of the first slice and of any: later ones follow the speed, because a plain line costs a hundredth of a
painted one."""


class SearchView(LineView):
    """A LineView with a search: every place where the words are is marked, one of them is where `step` goes on from.

    `hits` has the line of each of them, ascending; `at` is the line of the one that is shown, and its place among those
    of the line. `beyond` counts those that are in no line as it is shown, because long ones are cut.
    """

    class Searched(Told):
        """The number of hits, the place or the progress is different now."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.words = ""
        self.hits = array("L")
        self.at: tuple[int, int] | None = None
        self.wrapped = False
        self._pattern: re.Pattern[str] | None = None
        self.beyond = 0
        self._rest: Iterator[int] | None = None
        self._next = 0
        self._lines = FIRST_LINES
        self._origin: int | None = None
        self._again: int | None = None
        self._unplaced = False
        self._timer: Timer | None = None

    @property
    def place(self) -> int:
        """The number of the hit that is shown, from 1; 0 none."""
        index = self._index()
        return 0 if index is None else index + 1

    @property
    def count(self) -> int:
        """How many hits have been found."""
        return len(self.hits)

    @property
    def share(self) -> float:
        """How much of the text has been searched, 0 to 1; what is cut off its lines counts for a hundredth."""
        share = self._next / len(self.lines) if len(self.lines) else 1.0
        return share if self._rest is None else min(share, 0.99)

    def search(self, words: str, pattern: re.Pattern[str] | None = None) -> None:
        """Looks for words from the top line in sight on, and goes to the first place where they are; "" ends it. With a
        `pattern` that is what they mean."""
        self.words, self._pattern = words, pattern or pattern_of(words)
        self.at, self.wrapped = None, False
        self._begin(self.scroll_offset.y if words else None)
        self.refresh()

    def show(self, lines: Text, keep: bool = False, tail: bool = False) -> None:
        old, index = self.lines, self._index()
        super().show(lines, keep, tail)
        if self._pattern is not None:
            if not keep:
                self.at = None
                self.refresh()
            # Lines that are broken otherwise hold the same hits in other places.
            # What was looked for before the text was there is gone to when it comes.
            is_late = self._unplaced or (self._origin is not None and not self.hits and not keep)
            origin = 0 if is_late else None
            broken_anew = keep and old.unbroken == lines.unbroken and len(old) != len(lines)
            self._begin(origin)
            self._again = index if broken_anew else None
            self._settle(done=False)

    def _index(self) -> int | None:
        """Where in `hits` the one that is shown is; None when it is not there (any more)."""
        if self.at is None:
            return None
        line, nth = self.at
        index = bisect_left(self.hits, line) + nth
        return index if index < len(self.hits) and self.hits[index] == line else None

    def step(self, count: int) -> None:
        """Goes to the next hit (1) or the one before (-1), over the ends."""
        if not self.hits:
            return
        index = self._index()
        if index is not None:
            index += count
        else:
            here = self.scroll_offset.y if self.at is None else self.at[0]
            index = bisect_left(self.hits, here) if count > 0 else bisect_right(self.hits, here) - 1
        self.wrapped = not 0 <= index < len(self.hits)
        self._go(index % len(self.hits))

    def _begin(self, origin: int | None) -> None:
        """Searches from the first line; goes to the first hit at or behind `origin`, unless that is None."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self.hits, self._next, self._lines, self._origin = array("L"), 0, FIRST_LINES, origin
        self.beyond, self._rest, self._again = 0, None, None
        if self._pattern is not None:
            self._rest = self.lines.beyond(self._pattern)
            self._slice()
        else:
            self.post_message(self.Searched())

    def _slice(self) -> None:
        assert self._pattern is not None
        self._timer = None
        deadline = time.perf_counter() + SLICE
        while self._next < len(self.lines):
            began = time.perf_counter()
            stop = min(len(self.lines), self._next + self._lines)
            self.hits.extend(self.lines.find(self._pattern, self._next, stop))
            self._next = stop
            now = time.perf_counter()
            if now - began > SLICE / 2:
                self._lines = max(1, self._lines // 2)
            elif now - began < SLICE / 8:
                self._lines = min(MOST_LINES, self._lines * 2)
            if now > deadline:
                self._timer = self.set_timer(PAUSE, self._slice)
                break
        else:
            self._look_beyond(deadline)
        self._settle(done=self._next >= len(self.lines))

    def _look_beyond(self, deadline: float) -> None:
        """Goes on with what is cut off long lines."""
        while self._rest is not None:
            found = next(self._rest, None)
            if found is None:
                self._rest = None
                return
            self.beyond += found
            if time.perf_counter() > deadline:
                self._timer = self.set_timer(PAUSE, self._slice)
                return

    def _settle(self, done: bool) -> None:
        """Goes to where the search leads as soon as that is known."""
        if self._again is not None and self._again < len(self.hits):
            line = self.hits[self._again]
            self.at = (line, self._again - bisect_left(self.hits, line))
            self._again = None
            self.refresh()
        if self._origin is not None and self.hits:
            index = bisect_left(self.hits, self._origin)
            if index < len(self.hits) or done:
                self.wrapped = index == len(self.hits)
                self._origin = None
                self._go(index % len(self.hits))
        self.post_message(self.Searched())

    def _go(self, index: int) -> None:
        """Brings a hit into sight, sideways too."""
        line = self.hits[index]
        nth = index - bisect_left(self.hits, line)
        before, self.at = self.at, (line, nth)
        top, height, width = self.scroll_offset.y, self.size.height, self.text_width
        if not top <= line < top + height:
            self.scroll_to(y=max(0, line - height // 3), animate=False)
        assert self._pattern is not None
        places = self.lines.begins(line, self._pattern)[nth : nth + 1]
        start, stop = (width_of(cut_out(self.lines[line], 0, at)) for at in places[0]) if places else (0, 0)
        # Before there is a layout nothing can be brought into sight.
        self._unplaced = width <= 0 or height <= 0
        if not self._unplaced and not self.offset_x <= start <= stop <= self.offset_x + width:
            self.offset_x = 0 if stop <= width else max(0, start - width // 3)
            self.refresh()
        for changed in {line, before[0] if before is not None else line}:
            self.refresh_each((changed,))
        self.post_message(self.Searched())

    def line_at(self, index: int) -> Line:
        line = self.lines[index]
        if self._pattern is None:
            return line
        ranges = self.lines.ranges(index, self._pattern)
        if not ranges:
            return line
        line = marked(line, ranges, "match")
        if self.at is None or index != self.at[0]:
            return line
        return marked(line, self.lines.begins(index, self._pattern)[self.at[1] : self.at[1] + 1], "match-here")
