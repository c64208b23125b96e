"""Timelines as text: `tree --timeline`."""

from __future__ import annotations

from collections.abc import Iterator

from tui.model.records import Key, Session, session_key
from tui.model.store.store import Store
from tui.model.timeline.lines import Timelines
from tui.model.tree.children import outline
from tui.model.tree.layout import row_key
from tui.render.timeline.text import timeline_lines


def timeline_text(store: Store, top: Session, now_us: int, width: int, *, letters: bool) -> Iterator[str]:
    """The timeline of a session at the top of its tree, with nothing folded but what a step thought and wrote.
    `letters` stand for the fills where there is ASCII only."""
    made = Timelines(store).of(session_key(top), now_us, unfolded(store, top))
    assert made is not None
    yield from timeline_lines(store, made, width, letters=letters)


def unfolded(store: Store, top: Session) -> dict[Key, bool]:
    """The folds with which every prompt and every sub-agent of a session is open."""
    folds: dict[Key, bool] = {}
    stack = [top]
    while stack:
        session = stack.pop()
        folds[row_key(store, session)] = True
        for node in outline(store, session).top:
            folds[Key(session.source, "prompt", session.id, node.message_id)] = True
        stack += store.children_of(session)
    return folds
