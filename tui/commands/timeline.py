"""Timelines as text: `tree --timeline`."""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import combining, east_asian_width

from tui.model.records import Key, Session, session_key
from tui.model.store.store import Store
from tui.model.timeline.lines import Timeline, Timelines
from tui.model.tree.children import outline
from tui.render.timeline.bars import Span, axis_line, bar, columns, head, legend, slowest_words, whole, words
from tui.text.moments import utc

NARROWEST = 40
"""Columns that a timeline takes at least."""


def timeline_text(store: Store, now_us: int, width: int, *, letters: bool) -> Iterator[str]:
    """A timeline for each session at the top of its tree, oldest first: its title, the axis, a line a step, call and
    sub-agent, with nothing folded. `letters` stand for the fills where there is ASCII only."""
    width = max(NARROWEST, width)
    kept = Timelines(store)
    tops = sorted((store.sessions[key] for key in store.tops()), key=lambda one: (one.start_ts, one.source, one.id))
    for place, top in enumerate(tops):
        if place:
            yield ""
        made = kept.of(session_key(top), now_us, _open(store, top))
        if made is not None:
            yield from one_timeline(store, top, made, width, letters=letters)


def one_timeline(store: Store, top: Session, made: Timeline, width: int, *, letters: bool) -> Iterator[str]:
    """The lines of one timeline, under its title."""
    cells = columns(width)
    window = whole(made.axis)
    said = [top.title or "(no title)", utc(made.axis.first)]
    if made.slowest is not None:
        owner = store.sessions[made.slowest.key.owner]
        said.append(f"slowest: {slowest_words(owner, made.slowest)}")
    yield "  ".join(filter(None, said))
    if not made.lines:
        yield "  nothing has happened in it yet"
        return
    axis = axis_line(made.axis, window, cells.bar, letters=letters, now=made.live)
    yield f"{' ' * cells.name} {_plain(axis)}".rstrip()
    for line in made.lines:
        named = _plain(head(line, cells.name, pad, letters=letters))
        drawn = _plain(bar(line, made.axis, window, cells.bar, letters=letters))
        beside = pad(_plain(words(line, letters=letters)), cells.words).rstrip()
        yield f"{named} {drawn} {beside}".rstrip()
    yield _plain(legend(made, letters=letters)).rstrip()


def _open(store: Store, top: Session) -> dict[Key, bool]:
    """The folds with which nothing is folded but what a step thought and wrote."""
    folds: dict[Key, bool] = {}
    stack = [top]
    while stack:
        session = stack.pop()
        folds[store.call_key(session) or session_key(session)] = True
        for node in outline(store, session).top:
            folds[Key(session.source, "prompt", session.id, node.message_id)] = True
        stack += store.children_of(session)
    return folds


def _plain(spans: list[Span]) -> str:
    return "".join(text for text, _ in spans)


def _cells(text: str) -> int:
    return sum(0 if combining(each) else 1 + (east_asian_width(each) in "WF") for each in text)


def pad(text: str, width: int) -> str:
    """`text` cut or filled up to so many cells, as terminals count them."""
    if _cells(text) <= width:
        return text + " " * (width - _cells(text))
    shown = ""
    for each in text:
        if _cells(shown) + _cells(each) > width - 1:
            break
        shown += each
    return shown + "…" + " " * (width - 1 - _cells(shown)) if width else ""


