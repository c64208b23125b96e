"""A timeline as lines of text, for a pipe, a file and the clipboard. Knows no terminal library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unicodedata import combining, east_asian_width

from tui.model.store.store import Store
from tui.model.timeline.lines import Timeline
from tui.render.timeline.bars import Scale, Span, axis_line, bar, columns, head, legend, slowest_words, whole, words
from tui.text.moments import utc

NARROWEST = 40
"""Columns that a timeline takes at least."""


def timeline_lines(store: Store, made: Timeline, width: int, *, letters: bool) -> Iterator[str]:
    """A timeline in so many columns: what it is of, the axis, its lines, what the fills mean. `letters` stand for the
    fills, and ASCII for all else that is ours, where there is nothing more."""
    for line in _lines(store, made, max(NARROWEST, width), letters):
        yield line.replace("…", "~") if letters else line


def _lines(store: Store, made: Timeline, width: int, letters: bool) -> Iterator[str]:
    cells = columns(width)
    scale = Scale(made.axis, whole(made.axis), cells.bar)
    yield title(store, made)
    if not made.lines:
        yield "  nothing has happened yet"
        return
    axis = axis_line(scale, letters=letters, now=made.live)
    yield f"{' ' * cells.name} {_plain(axis)}".rstrip()
    for line in made.lines:
        named = _plain(head(line, cells.name, pad, letters=letters))
        drawn = _plain(bar(line, scale, letters=letters))
        beside = pad(_plain(words(line, letters=letters)), cells.words).rstrip()
        yield f"{named} {drawn} {beside}".rstrip()
    yield _plain(legend(made, letters=letters)).rstrip()


def title(store: Store, made: Timeline) -> str:
    """What a timeline is of, when it began, and which call was the slowest."""
    session = store.session_of(made.subject)
    said = [session.name if session is not None else "", utc(made.axis.first)]
    if made.slowest is not None and (owner := store.session_of(made.slowest.key)) is not None:
        said.append(f"slowest: {slowest_words(owner, made.slowest)}")
    return "  ".join(filter(None, said))


def _plain(spans: Sequence[Span]) -> str:
    return "".join(text for text, _ in spans)


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(0 if combining(each) else 1 + (east_asian_width(each) in "WF") for each in text)


def pad(text: str, width: int) -> str:
    """`text` cut or filled up to so many cells, as terminals count them."""
    if (cells := _cells(text)) <= width:
        return text + " " * (width - cells)
    shown, room = "", width - 1
    for each in text:
        room -= _cells(each)
        if room < 0:
            break
        shown += each
    return shown + "…" + " " * (width - 1 - _cells(shown)) if width > 0 else ""
