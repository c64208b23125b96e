"""A text as lines to draw: painted one by one when they are in sight, broken to a width, searched, joined.

What needs the whole of a text happens once, when the document is made (in the feed's thread); afterwards any number
of lines costs nothing until one is asked for.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import overload

from tui.render.lines import Line, Span, cut_out, plain, wrap
from tui.text import sanitize
from tui.text.raw_lines import ANY_END

WRAP_LIMIT = 300_000
"""Characters that are broken to the pane; a longer text scrolls sideways, so that its size costs nothing."""

OWN = -1
"""In the place of the first character of a piece: the document laid the piece out itself."""

BEYOND = 200_000
"""Characters of a long line that are looked through at once, 2 ms."""
BEYOND_LINES = 10_000
"""Lines after which a look for long ones pauses."""
OVERLAP = 400
"""Longest words, in characters, that are found where two pieces of a long line meet."""

SIGN = 4
"""Most characters of the sign in front of an item of a painted list, its spaces included."""

Range = tuple[int, int]
"""From and to (exclusive), in characters of a line."""


class Text(Sequence[Line]):
    """Lines that can be searched. `find` works through a range of them, so that a caller can take a big text in
    slices."""

    def line(self, index: int) -> Line:
        """The line at an index that exists, painted."""
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            return [self.line(at) for at in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.line(index)

    def find(self, pattern: re.Pattern[str], start: int, stop: int) -> list[int]:
        """The lines from `start` to `stop` in which the pattern begins, ascending; a line comes once for each time."""
        return [index for index in range(start, min(stop, len(self))) for _ in self.begins(index, pattern)]

    def ranges(self, index: int, pattern: re.Pattern[str]) -> list[Range]:
        """Where in a line the pattern is."""
        return [match.span() for match in pattern.finditer(plain(self.line(index))) if match.end() > match.start()]

    def begins(self, index: int, pattern: re.Pattern[str]) -> list[Range]:
        """Those of `ranges` that begin in the line: in a broken text the first may be the rest of one above."""
        return self.ranges(index, pattern)

    def beyond(self, pattern: re.Pattern[str]) -> Iterator[int]:
        """Looks through what is cut off lines that are too long to be shown whole, a piece a step, so that a caller can
        take a big text in slices: how often the pattern is in each piece."""
        return iter(())

    @property
    def unbroken(self) -> int:
        """How many lines it has when none is broken."""
        return len(self)

    def unbroken_at(self, index: int) -> int:
        """The unbroken line of which the line at an index is a piece."""
        return index

    def first_of(self, unbroken: int) -> int:
        """The first piece of an unbroken line."""
        return unbroken

    @property
    def foldable(self) -> bool:
        """Whether some of the lines can be folded."""
        return False

    def fold_at(self, index: int) -> str:
        """`open` or `closed` for a line that folds what is below it, "" for any other."""
        return ""

    def toggle(self, index: int) -> None:
        """Folds a line, or unfolds it. What is broken or joined of the text has to be made anew."""

    def unfold(self) -> bool:
        """Unfolds everything; whether anything was folded."""
        return False

    def fold_like(self, older: Text) -> None:
        """Folds what is folded in an older state of the same text."""

    def words(self) -> Iterator[str]:
        """All lines as they leave the screen, nothing cut and nothing folded: what is copied and saved."""
        return (plain(line) for line in self)


class Painted(Text):
    """Lines that have been painted already."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines

    def __len__(self) -> int:
        return len(self.lines)

    def line(self, index: int) -> Line:
        return self.lines[index]

    def hanging(self, index: int) -> int:
        """A line that begins with a sign of a list goes on behind the sign."""
        line = self.lines[index]
        sign = line[0][0] if len(line) > 1 else ""
        return len(sign) if len(sign) <= SIGN and sign.endswith(" ") else 0

    def wrapped(self, width: int) -> Text:
        """The lines broken at `width` cells."""
        return Wrapped(self, width)


class Document(Text):
    """A payload. `size` is its length in characters; kinds of documents paint their lines differently.

    `as_written` says that a line on the screen holds what the line of the payload does, cleaned and no more, so that a
    search needs to paint none; `ends` are the characters that end a line; tabs stop at every `tab_size` columns.
    """

    as_written = True
    ends = ANY_END
    tab_size = sanitize.TAB_SIZE

    def __init__(self, lines: sanitize.Lines, size: int) -> None:
        self.lines = lines
        self.size = size
        self._wrapped: tuple[int, Text] | None = None

    @classmethod
    def read(cls, text: str) -> Document:
        """The document of a text. May take a moment for a big one."""
        return cls(sanitize.lines(text, ends=cls.ends), len(text))

    def __len__(self) -> int:
        return len(self.lines)

    def line(self, index: int) -> Line:
        return [(self.lines[index], "text")]

    def hanging(self, index: int) -> int:
        """Cells by which the continuation of a broken line is moved in; -1 for a line that must not be broken."""
        return 0

    def laid_out(self, index: int, width: int) -> list[Line] | None:
        """The lines that stand for a line at a width when it is not simply broken; None when it is."""
        return None

    def wrapped(self, width: int) -> Text:
        """The lines broken at `width` cells when the text is short enough, else this document as it is."""
        if self.size > WRAP_LIMIT:
            return self
        if self._wrapped is None or self._wrapped[0] != width:
            self._wrapped = (width, Wrapped(self, width))
        return self._wrapped[1]

    def find(self, pattern: re.Pattern[str], start: int, stop: int) -> list[int]:
        raw = self.lines.raw[start:stop]
        if not self.as_written or max(map(len, raw), default=0) > sanitize.LINE_LIMIT:
            return super().find(pattern, start, stop)
        whole = "\n".join(raw)
        if "\r" in whole:
            whole = whole.replace("\r\n", "\n").removesuffix("\r")
        whole = sanitize.block(whole, self.tab_size)
        found: list[int] = []
        line, at = start, 0
        match = pattern.search(whole)
        while match is not None:
            line += whole.count("\n", at, match.start())
            found.append(line)
            at = match.start()
            match = pattern.search(whole, match.end())
        return found

    def beyond(self, pattern: re.Pattern[str]) -> Iterator[int]:
        for index, text in enumerate(self.lines.raw):
            if len(text) > sanitize.LINE_LIMIT:
                yield from (self._cut_off(text, at, pattern) for at in range(0, len(text), BEYOND))
            elif index % BEYOND_LINES == 0:
                yield 0

    def _cut_off(self, text: str, at: int, pattern: re.Pattern[str]) -> int:
        """How often the pattern begins in the piece of a line at a place, and ends where nothing is shown."""
        piece = sanitize.block(text[at : at + BEYOND], self.tab_size)
        # What begins in this piece may end in the next, which may not be counted again.
        rest = sanitize.block(text[at + BEYOND : at + BEYOND + OVERLAP], self.tab_size)
        head = sanitize.block(text[: sanitize.LINE_LIMIT], self.tab_size) if at == 0 else ""
        shown = min(len(head), sanitize.LINE_LIMIT - 1)
        found = pattern.finditer(piece + rest)
        return sum(match.start() < len(piece) and match.end() > shown for match in found)

    def words(self) -> Iterator[str]:
        return map(sanitize.outside, self.lines.raw)


class Wrapped(Text):
    """The lines of another text broken at a width; found and marked as if they were not. Lines that the text lays out
    itself are found and marked one by one."""

    def __init__(self, source: Document | Painted, width: int) -> None:
        self.source = source
        self._pieces: list[Line] = []
        self._places: list[tuple[int, int, int]] = []
        self._first: list[int] = []
        for index in range(len(source)):
            self._first.append(len(self._pieces))
            self._break(index, source.line(index), width)

    def _break(self, index: int, line: Line, width: int) -> None:
        own = self.source.laid_out(index, width) if isinstance(self.source, Document) else None
        if own is not None:
            self._pieces += own
            self._places += [(index, OWN, 0)] * len(own)
            return
        hanging = self.source.hanging(index)
        hanging = hanging if hanging < width // 2 else 0
        text = plain(line)
        pieces = [text] if hanging < 0 else wrap(text, width)
        if hanging > 0 and len(pieces) > 1:
            start = len(pieces[0]) + len(text[len(pieces[0]) :]) - len(text[len(pieces[0]) :].lstrip(" "))
            pieces = [pieces[0], *wrap(text[start:], width - hanging)]
        at = 0
        for number, piece in enumerate(pieces):
            # Only spaces are lost at a break, so the next piece is the next place where it fits.
            at = text.find(piece, at)
            indent = hanging if number and hanging > 0 else 0
            spans = cut_out(line, at, at + len(piece))
            self._pieces.append([(" " * indent, "text"), *spans] if indent else spans)
            self._places.append((index, at, indent))
            at += len(piece)

    def __len__(self) -> int:
        return len(self._pieces)

    def line(self, index: int) -> Line:
        return self._pieces[index]

    def find(self, pattern: re.Pattern[str], start: int, stop: int) -> list[int]:
        found: list[int] = []
        index = start
        while index < min(stop, len(self)):
            source = self._places[index][0]
            end = self._first[source + 1] if source + 1 < len(self._first) else len(self)
            hits = [] if self._places[index][1] == OWN else self.source.ranges(source, pattern)
            for piece in range(index, min(end, stop)):
                if self._places[piece][1] == OWN:
                    found += [piece] * len(super().ranges(piece, pattern))
                else:
                    found += [piece] * len(self._beginning(piece, hits))
            index = end
        return found

    def _beginning(self, piece: int, hits: list[Range]) -> list[Range]:
        """Those of the hits in a line that begin in one of its pieces, or in the space behind it."""
        source, at, _ = self._places[piece]
        last = piece + 1 == len(self._places) or self._places[piece + 1][0] != source
        return [hit for hit in hits if at <= hit[0] and (last or hit[0] < self._places[piece + 1][1])]

    def begins(self, index: int, pattern: re.Pattern[str]) -> list[Range]:
        source, at, indent = self._places[index]
        if at == OWN:
            return super().ranges(index, pattern)
        length = sum(len(text) for text, _ in self._pieces[index]) - indent
        hits = self._beginning(index, self.source.ranges(source, pattern))
        return [(min(length, begin - at) + indent, min(length, end - at) + indent) for begin, end in hits]

    def ranges(self, index: int, pattern: re.Pattern[str]) -> list[Range]:
        source, at, indent = self._places[index]
        if at == OWN:
            return super().ranges(index, pattern)
        length = sum(len(text) for text, _ in self._pieces[index]) - indent
        shifted = [(begin - at, end - at) for begin, end in self.source.ranges(source, pattern)]
        return [
            (max(0, begin) + indent, min(length, end) + indent) for begin, end in shifted if end > 0 and begin < length
        ]

    @property
    def unbroken(self) -> int:
        return len(self.source)

    def unbroken_at(self, index: int) -> int:
        return self._places[index][0]

    def first_of(self, unbroken: int) -> int:
        return self._first[unbroken]

    @property
    def foldable(self) -> bool:
        return self.source.foldable

    def fold_at(self, index: int) -> str:
        source = self._places[index][0]
        return self.source.fold_at(source) if self._first[source] == index else ""

    def toggle(self, index: int) -> None:
        self.source.toggle(self._places[index][0])

    def beyond(self, pattern: re.Pattern[str]) -> Iterator[int]:
        return self.source.beyond(pattern)

    def words(self) -> Iterator[str]:
        return self.source.words()


class Tail(Text):
    """The last lines of a text."""

    def __init__(self, source: Text, most: int) -> None:
        self.source = source
        self.above = max(0, len(source) - most)

    def __len__(self) -> int:
        return len(self.source) - self.above

    def line(self, index: int) -> Line:
        return self.source.line(self.above + index)


class Head(Text):
    """The first lines of a text."""

    def __init__(self, source: Text, most: int) -> None:
        self.source = source
        self.most = most

    def __len__(self) -> int:
        return min(self.most, len(self.source))

    def line(self, index: int) -> Line:
        return self.source.line(index)


class Indented(Text):
    """A text with the same words before each of its lines; they are no part of what is found or taken along."""

    def __init__(self, source: Text, prefix: Sequence[Span]) -> None:
        self.source = source
        self.prefix = prefix
        self._shift = sum(len(text) for text, _ in prefix)

    def __len__(self) -> int:
        return len(self.source)

    def line(self, index: int) -> Line:
        return [*self.prefix, *self.source.line(index)]

    def find(self, pattern: re.Pattern[str], start: int, stop: int) -> list[int]:
        return self.source.find(pattern, start, stop)

    def ranges(self, index: int, pattern: re.Pattern[str]) -> list[Range]:
        return [(start + self._shift, stop + self._shift) for start, stop in self.source.ranges(index, pattern)]

    def begins(self, index: int, pattern: re.Pattern[str]) -> list[Range]:
        return [(start + self._shift, stop + self._shift) for start, stop in self.source.begins(index, pattern)]

    def words(self) -> Iterator[str]:
        return self.source.words()


class Joined(Text):
    """Several texts one after the other, none of them copied."""

    def __init__(self, parts: Sequence[Text]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._starts = [0]
        self._unbroken = [0]
        for part in self._parts:
            self._starts.append(self._starts[-1] + len(part))
            self._unbroken.append(self._unbroken[-1] + part.unbroken)

    def __len__(self) -> int:
        return self._starts[-1]

    def _part(self, index: int) -> int:
        return bisect_right(self._starts, index) - 1

    def line(self, index: int) -> Line:
        part = self._part(index)
        return self._parts[part].line(index - self._starts[part])

    def find(self, pattern: re.Pattern[str], start: int, stop: int) -> list[int]:
        found: list[int] = []
        for part, first in zip(self._parts, self._starts, strict=False):
            low, high = max(start, first), min(stop, first + len(part))
            if low < high:
                found += [first + hit for hit in part.find(pattern, low - first, high - first)]
        return found

    def ranges(self, index: int, pattern: re.Pattern[str]) -> list[Range]:
        part = self._part(index)
        return self._parts[part].ranges(index - self._starts[part], pattern)

    def begins(self, index: int, pattern: re.Pattern[str]) -> list[Range]:
        part = self._part(index)
        return self._parts[part].begins(index - self._starts[part], pattern)

    @property
    def unbroken(self) -> int:
        return self._unbroken[-1]

    def unbroken_at(self, index: int) -> int:
        part = self._part(index)
        return self._unbroken[part] + self._parts[part].unbroken_at(index - self._starts[part])

    def first_of(self, unbroken: int) -> int:
        part = bisect_right(self._unbroken, unbroken) - 1
        return self._starts[part] + self._parts[part].first_of(unbroken - self._unbroken[part])

    @property
    def foldable(self) -> bool:
        return any(part.foldable for part in self._parts)

    def fold_at(self, index: int) -> str:
        part = self._part(index)
        return self._parts[part].fold_at(index - self._starts[part])

    def toggle(self, index: int) -> None:
        part = self._part(index)
        self._parts[part].toggle(index - self._starts[part])

    def beyond(self, pattern: re.Pattern[str]) -> Iterator[int]:
        for part in self._parts:
            yield from part.beyond(pattern)

    def words(self) -> Iterator[str]:
        for part in self._parts:
            yield from part.words()


def same_place(old: Text, new: Text, index: int) -> int:
    """Where the line at an index of a text stands in another state of it, in which lines may be broken otherwise and
    there may be more or fewer of them."""
    if not 0 <= index < len(old):
        return index
    unbroken = old.unbroken_at(index)
    if unbroken >= new.unbroken:
        return index
    first, piece = new.first_of(unbroken), index - old.first_of(unbroken)
    after = new.first_of(unbroken + 1) if unbroken + 1 < new.unbroken else len(new)
    return first + min(piece, max(0, after - first - 1))


def spans_of(text: str, pattern: re.Pattern[str], roles: Sequence[str], rest: str) -> list[Span]:
    """A line in roles by the groups of a pattern: group n gets `roles[n - 1]`, what is between them `rest`."""
    spans: list[Span] = []
    at = 0
    for match in pattern.finditer(text):
        group = match.lastindex or 0
        if not group or match.start() == match.end():
            continue
        if match.start() > at:
            spans.append((text[at : match.start()], rest))
        spans.append((match[0], roles[group - 1]))
        at = match.end()
    if at < len(text) or not spans:
        spans.append((text[at:], rest))
    return spans
