"""Who is whose child: parents, trees and the calls that started sub-agents, whatever the order of arrival.

A session whose parent is unknown is the top of its own tree until the parent appears. `parent_id` is data of a
stranger and can form a cycle; a cycle is cut at its greatest id, which becomes the top, so that every walk up and
every walk down ends and no session is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from tui.model.records import Key, SessionKey


class Links:
    """The edges between sessions. Walks are iterative: nesting has no limit in the data."""

    def __init__(self) -> None:
        self._parents: dict[SessionKey, SessionKey | None] = {}
        self._children: dict[SessionKey, set[SessionKey]] = {}
        self._tops: dict[SessionKey, SessionKey] = {}
        self._callers: dict[SessionKey, set[Key]] = {}
        self._asking: dict[SessionKey, set[Key]] = {}
        self._inferred: dict[SessionKey, dict[SessionKey, Key]] = {}
        self._started: dict[Key, SessionKey] = {}

    def place(self, session: SessionKey, parent: SessionKey | None) -> set[SessionKey]:
        """Says that `session` is known and who its parent is. Returns the tops of trees that this touches, before
        and after; empty when nothing is new."""
        if session in self._parents and self._parents[session] == parent:
            return set()
        touched = self._forget_tops(session)
        old = self._parents.get(session)
        if old is not None:
            self._children[old].discard(session)
        self._parents[session] = parent
        if parent is not None:
            self._children.setdefault(parent, set()).add(session)
        touched.add(self.top(session))
        return touched

    def remove(self, session: SessionKey) -> set[SessionKey]:
        """Forgets a session; its children become tops of their own. Returns the tops that this touches."""
        if session not in self._parents:
            return set()
        touched = self._forget_tops(session)
        parent = self._parents.pop(session)
        if parent is not None:
            self._children[parent].discard(session)
            if not self._children[parent]:
                del self._children[parent]
        self._tops.pop(session, None)
        return touched | {self.top(child) for child in self._children.get(session, ())}

    def top(self, session: SessionKey) -> SessionKey:
        """The top of the tree that a session is in; remembered until an edge above it changes."""
        remembered = self._tops.get(session)
        if remembered is not None:
            return remembered
        path: list[SessionKey] = []
        place: dict[SessionKey, int] = {}
        current = session
        while True:
            known = self._tops.get(current)
            if known is not None:
                break
            if current in place:
                known = max(path[place[current] :])
                break
            place[current] = len(path)
            path.append(current)
            parent = self._parents.get(current)
            if parent is None or parent not in self._parents:
                known = current
                break
            current = parent
        for step in path:
            self._tops[step] = known
        return known

    def tops(self, sessions: Iterable[SessionKey]) -> list[SessionKey]:
        """The tops of the trees that many sessions are in, in their order: a third of the time of asking one by one."""
        asked = list(sessions)
        found = list(map(self._tops.get, asked))
        if None not in found:
            return cast(list[SessionKey], found)
        return [top or self.top(one) for top, one in zip(found, asked, strict=True)]

    def parent(self, session: SessionKey) -> SessionKey | None:
        """The parent in the tree: None for a top, also where the row names a parent that is not there."""
        parent = self._parents.get(session)
        if parent is None or parent not in self._parents or self.top(session) == session:
            return None
        return parent

    def children(self, session: SessionKey) -> list[SessionKey]:
        """The children in the tree, in no order."""
        return [child for child in self._children.get(session, ()) if self.top(child) != child]

    def above(self, session: SessionKey) -> Iterator[SessionKey]:
        """The parent, its parent, and so on to the top."""
        current = self.parent(session)
        while current is not None:
            yield current
            current = self.parent(current)

    def call(self, child: SessionKey, op: Key) -> None:
        """Remembers that an op names `child` as the session it started."""
        self._callers.setdefault(child, set()).add(op)

    def uncall(self, child: SessionKey, op: Key) -> None:
        """Forgets what `call` remembered."""
        callers = self._callers.get(child)
        if callers is not None:
            callers.discard(op)
            if not callers:
                del self._callers[child]

    def callers(self, child: SessionKey) -> set[Key]:
        """The ops that name `child`, of any session: a fork copies the calls of its original."""
        return self._callers.get(child, set())

    def ask(self, session: SessionKey, op: Key, may_call: bool) -> None:
        """Remembers, or forgets, that an op of a session may have started a child that it does not name."""
        if may_call:
            self._asking.setdefault(session, set()).add(op)
        elif session in self._asking:
            self._asking[session].discard(op)

    def asking(self, session: SessionKey) -> set[Key]:
        """The ops of a session that may have started a child that they do not name."""
        return self._asking.get(session, set())

    @property
    def knows_any_unnamed(self) -> bool:
        """Whether there is anything to infer in any session, or was."""
        return bool(self._asking or self._inferred)

    def knows_unnamed(self, session: SessionKey) -> bool:
        """Whether there is anything to infer, or was."""
        return session in self._asking or session in self._inferred

    def infer(self, session: SessionKey, calls: dict[SessionKey, Key]) -> set[SessionKey]:
        """Says which ops of a session are taken to have started which children; returns the children of which that is
        new."""
        before = self._inferred.pop(session, {})
        for op in before.values():
            self._started.pop(op, None)
        if calls:
            self._inferred[session] = calls
            self._started.update((op, child) for child, op in calls.items())
        if not self._asking.get(session):
            self._asking.pop(session, None)
        return {child for child in before.keys() | calls.keys() if before.get(child) != calls.get(child)}

    def calls_inferred(self, session: SessionKey) -> dict[SessionKey, Key]:
        """The ops of a session that are taken to have started its children, by these."""
        return self._inferred.get(session, {})

    def inferred(self, session: SessionKey, child: SessionKey) -> Key | None:
        """The op of a session that is taken to have started this child."""
        return self._inferred.get(session, {}).get(child)

    def started_by(self, op: Key) -> SessionKey | None:
        """The child that this op is taken to have started."""
        return self._started.get(op)

    def _forget_tops(self, session: SessionKey) -> set[SessionKey]:
        """Drops the remembered top of a session and of all below it; returns those it dropped. Every member of a
        cycle is below every other, so one changed edge of a cycle clears the whole cycle."""
        top = self._tops.pop(session, None)
        dropped = set() if top is None else {top}
        if session not in self._children:
            return dropped
        seen = {session}
        stack = [session]
        while stack:
            current = stack.pop()
            top = self._tops.pop(current, None)
            if top is not None:
                dropped.add(top)
            for child in self._children.get(current, ()):
                if child not in seen:
                    seen.add(child)
                    stack.append(child)
        return dropped
