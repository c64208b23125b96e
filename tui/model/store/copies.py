"""A session that lies in several databases is one row: its newest copy is shown, the others wait aside.

Each release channel of opencode has a file of its own, and people copy files. The newest copy is the one whose row was
updated last, of equal ones that of the source preferred (`Copies.sources`). A sub-agent goes with its parent: with the
copy of the parent that is shown, where that file has the sub-agent too. A copy that waits is kept as current as any
session, so that it can take the place of the other at any time; nothing that is shown, counted or added up knows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from tui.model.records import Session, SessionKey, session_key
from tui.model.store.apply import place
from tui.model.store.batch import Batch
from tui.text.sanitize import label

if TYPE_CHECKING:
    from tui.model.store.store import Store

PATH_LIMIT = 400
"""Characters of a path that are shown."""
DECIDED_MOST = 64
"""Times that one batch decides about one id: `parent_id` is a stranger's data and can form a cycle."""


class Copies:
    """`aside` has the copies that are not shown, `sources` every source, the preferred one first."""

    def __init__(self) -> None:
        self.aside: dict[SessionKey, Session] = {}
        self.sources: list[str] = []
        self.moves = 0
        """Times that a copy came to be shown, or to wait."""
        self._below: dict[str, set[str]] = {}
        self._whole: tuple[tuple[int, int, int], frozenset[str]] = ((0, 0, 0), frozenset())

    def prefer(self, sources: Iterable[str]) -> None:
        """Names sources that may come, the one to be preferred on a tie first, behind those that are known."""
        self.sources += [source for source in dict.fromkeys(sources) if source not in self.sources]

    def of(self, session: Session) -> list[Session]:
        """The other copies of a session that is shown, the newest first."""
        if not self.aside:
            return []
        found = [copy for source in self.sources if (copy := self.aside.get((source, session.id))) is not None]
        return sorted(found, key=lambda copy: -updated(copy))

    def counts(self) -> Counter[str]:
        """How many copies wait, by source."""
        return Counter(source for source, _ in self.aside)

    def forget(self, source: str) -> None:
        """Drops the copies of a source."""
        for key in [key for key in self.aside if key[0] == source]:
            del self.aside[key]
        self.moves += 1

    def outdated(self, sessions: Collection[SessionKey]) -> frozenset[str]:
        """The sources of which every session is shown from another one: nobody writes them any more. `sessions` are
        those that are shown."""
        state = (self.moves, len(self.aside), len(sessions))
        if not self.aside:
            return frozenset()
        if self._whole[0] != state:
            self._whole = (state, frozenset({source for source, _ in self.aside} - {source for source, _ in sessions}))
        return self._whole[1]

    def below(self, session_id: str) -> set[str]:
        """The ids with several copies of which one names this session as its parent, or did."""
        return self._below.get(session_id, set())

    def note(self, copies: Iterable[Session]) -> None:
        """Remembers whose decision depends on which other."""
        for copy in copies:
            if copy.parent_id:
                self._below.setdefault(copy.parent_id, set()).add(copy.id)


def updated(session: Session) -> int:
    """When the row of a session was updated last, µs; 0 for one that stands in for a row to come."""
    return session.updated_ts or session.start_ts


def path_of(source: str) -> str:
    """The file of a source, for the user."""
    return label(source.partition(":")[2], PATH_LIMIT)


def elsewhere(store: Store, session: Session) -> list[dict[str, Any]]:
    """Where the other copies of a session lie, the newest first, ready for JSON; times in µs UTC."""
    return [{"source": copy.source, "updated_ts": updated(copy)} for copy in store.copies.of(session)]


def remark(store: Store) -> str:
    """One line that says how many sessions are in several sources, and in which the copies are that are not shown; ""
    where there is none."""
    counts = store.copies.counts()
    if not counts:
        return ""
    several = len({session_id for _, session_id in store.copies.aside})
    words = "session is in several databases and is" if several == 1 else "sessions are in several databases and are"
    where = ", ".join(f"{path_of(source)} ({count:,})" for source, count in sorted(counts.items()))
    return f"{several:,} {words} told once, as the newest copy; the others: {where}"


def choose(store: Store, batch: Batch) -> None:
    """Decides anew which copies are shown, of every session whose row came, changed or went, and of its sub-agents."""
    if len(store.copies.sources) < 2:
        return
    decided: Counter[str] = Counter()
    waiting = list(batch.rows)
    while waiting:
        session_id = waiting.pop()
        decided[session_id] += 1
        if decided[session_id] <= DECIDED_MOST and _choose(store, session_id, batch):
            waiting += store.copies.below(session_id)


def _choose(store: Store, session_id: str, batch: Batch) -> bool:
    """Shows the copy of one id that is to be shown; whether that may concern what is below it."""
    copies = store.copies
    held = [copy for source in copies.sources if (copy := store.held((source, session_id))) is not None]
    if not held:
        return True
    if len(held) > 1:
        copies.note(held)
        rows = {session_key(copy) for copy in held}
        if not rows <= batch.new:
            # Another copy of what is there already is nothing new.
            batch.new -= rows
    with_parent = [copy for copy in held if copy.parent_id and (copy.source, copy.parent_id) in store.sessions]
    # The first of equal ones, in the order of the sources.
    newest = max(with_parent or held, key=updated)
    moved = False
    for copy in held:
        key = (copy.source, session_id)
        if (copy is newest) != (key in store.sessions):
            (_show if copy is newest else _hide)(store, key, batch)
            moved = True
    if moved or session_id in batch.rows:
        # It says where the others lie.
        batch.change((newest.source, session_id), session_key(newest))
    return moved or len(held) == 1


def _hide(store: Store, key: SessionKey, batch: Batch) -> None:
    session = store.copies.aside[key] = store.sessions.pop(key)
    store.copies.moves += 1
    batch.shrunk.update(store.links.above(key))
    store.forget_sums(key)
    batch.touch(key)
    batch.dirty.add(session_key(session))
    batch.tops |= store.links.remove(key) | {key}


def _show(store: Store, key: SessionKey, batch: Batch) -> None:
    session = store.sessions[key] = store.copies.aside.pop(key)
    store.copies.moves += 1
    place(store, session, batch)
    batch.change(key).layout = True
