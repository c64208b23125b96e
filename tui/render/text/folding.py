"""JSON in lines whose objects and arrays can be folded. A fold costs a look at the lines that it hides, and nothing
before it is made: a text of any size opens at once."""

from __future__ import annotations

import re
from bisect import bisect_right

from tui.render.lines import Line
from tui.render.text.document import Document, Text
from tui.text import sanitize

_CLOSING = ("}", "]")


class Foldable(Document):
    """A text of which some lines open what can be folded. Lines are counted as they are seen: what is folded away has
    none. Lines of the text itself, folded or not, are called rows here."""

    def __init__(self, lines: sanitize.Lines, size: int) -> None:
        super().__init__(lines, size)
        self._folded: dict[int, int] = {}
        self._starts: list[int] = []
        self._before: list[int] = [0]

    @property
    def foldable(self) -> bool:
        return len(self.lines) > 1 and self.opens(0)

    def opens(self, row: int) -> bool:
        """Whether an object or an array begins at the end of a row."""
        return self.lines.raw[row].endswith(("{", "["))

    def paint(self, row: int) -> Line:
        """A row in its roles."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.lines) - self._before[-1]

    def line(self, index: int) -> Line:
        row = self._row(index)
        close = self._folded.get(row)
        if close is None:
            return self.paint(row)
        hidden = close - row - 1
        end = self.lines[close].strip()
        return [*self.paint(row), (" … ", "accent"), (end, "dim"), (f"  {hidden:,} line{'s' * (hidden != 1)}", "dim")]

    def hanging(self, index: int) -> int:
        text = self.lines.raw[self._row(index)]
        return len(text) - len(text.lstrip(" ")) + 2

    def fold_at(self, index: int) -> str:
        row = self._row(index)
        return "closed" if row in self._folded else "open" if self.opens(row) else ""

    def toggle(self, index: int) -> None:
        row = self._row(index)
        if self._folded.pop(row, None) is None:
            self._fold(row)
        self._settle()

    def fold_like(self, older: Text) -> None:
        if not isinstance(older, Foldable):
            return
        # A row that is rewritten while a call runs changes in its values; what opens where stays.
        for row in older.folded:
            if row < len(self.lines) and self.lines.raw[row] == older.lines.raw[row]:
                self._fold(row)
        self._settle()

    @property
    def folded(self) -> list[int]:
        """The rows that are folded."""
        return list(self._folded)

    def _fold(self, row: int) -> None:
        close = self._close(row) if self.opens(row) else None
        if close is not None:
            self._folded[row] = close

    def unfold(self) -> bool:
        had = bool(self._folded)
        self._folded.clear()
        self._settle()
        return had

    def find(self, pattern: re.Pattern[str], start: int, stop: int) -> list[int]:
        return Text.find(self, pattern, start, stop) if self._folded else super().find(pattern, start, stop)

    def _close(self, row: int) -> int | None:
        text = self.lines.raw[row]
        indent = len(text) - len(text.lstrip(" "))
        # What is inside is indented more, so the first bracket in the same column is the one that closes.
        below = enumerate(self.lines.raw.behind(row), row + 1)
        return next((at for at, text in below if text[indent : indent + 1] in _CLOSING), None)

    def _settle(self) -> None:
        """Where the outermost folds are: the lines in which they are seen, and the rows hidden up to each."""
        self._wrapped = None
        self._starts, self._before = [], [0]
        behind = 0
        for row, close in sorted(self._folded.items()):
            if row >= behind:
                self._starts.append(row - self._before[-1])
                self._before.append(self._before[-1] + close - row)
                behind = close + 1

    def _row(self, index: int) -> int:
        # A fold hides what is behind its line, not the line.
        return index + self._before[bisect_right(self._starts, index - 1)]
