"""How much of what sessions did is kept in memory, and which of it goes first.

A session that was opened once, or was live once, stays loaded. One of 5,000 parts is 16 MB of objects here and in the
adapter, and with what reading it takes for a moment the process grows by 33 MB. Beyond the budget whole trees are
folded and given back, the one looked at longest ago first. Their rows stay; opening one reads it again.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from tui.model.records import Key, Session, SessionKey, session_key
from tui.model.status.state import is_open
from tui.model.status.thresholds import SECOND
from tui.model.store.store import Store
from tui.model.tree.rows import VisibleRows

OPS = 6_000
"""Ops that may be held: 20 MB of objects, 40 MB of the process. Somebody has to be able to open a session of 5,000, and
at 50 commits a second so many come within ten minutes: memory stands still from then on."""
QUIET = 300 * SECOND
"""µs without a change after which a session counts as over; the adapter gives no other back."""
PATIENCE = 60 * SECOND
"""µs after which a session that was to go and has not (it had just changed) is one like any other again."""
LEFT = 0.75
"""So much of the budget is held after some was given back, so that it is not worked at all the time."""


class Budget:
    """Chooses what to give back. `asked` are the sessions chosen that have not gone yet, and when (µs) they were."""

    def __init__(self, store: Store, rows: VisibleRows, ops: int = OPS) -> None:
        self.store = store
        self.rows = rows
        self.ops = ops
        self.asked: dict[SessionKey, int] = {}
        self._looked: dict[SessionKey, int] = {}

    def looked_at(self, key: Key, now_us: int) -> None:
        """Notes that somebody looked at the tree of a node."""
        top = self._top(key.owner)
        if top is not None:
            self._looked[top] = now_us

    def regretted(self) -> list[SessionKey]:
        """The sessions that have gone and are wanted again: the user unfolded their tree meanwhile."""
        gone = [key for key in self.asked if key not in self.store.homes]
        for key in gone:
            del self.asked[key]
        return [key for key in gone if (top := self._top(key)) is not None and not self._is_folded(top)]

    @property
    def held(self) -> int:
        """Ops in memory, without those of sessions that are on their way out."""
        return sum(len(ops) for key, ops in self.store.homes.items() if key not in self.asked)

    def surplus(
        self, in_sight: Callable[[], Container[SessionKey]], now_us: int, *, hard: bool = False
    ) -> list[SessionKey]:
        """The sessions to give back now; folds their trees. None of a tree of `in_sight`, which has to hold the
        cursor's, and of one in which something is open or fresh or that the user unfolded. `hard` gives back what is in
        sight, too, where nobody had the cursor: what a filter has read has come into sight by itself."""
        self.asked = {key: at for key, at in self.asked.items() if now_us - at < PATIENCE}
        held = self.held
        if held <= self.ops:
            return []
        trees: dict[SessionKey, list[Session]] = {}
        for key in self.store.homes.keys() - self.asked.keys():
            top = self._top(key)
            if top is not None:
                trees.setdefault(top, []).append(self.store.sessions[key])
        seen = in_sight()
        given: list[SessionKey] = []
        for key in self.store.copies.aside.keys() & self.store.homes.keys() - self.asked.keys():
            if _may_go(self.store.copies.aside[key], now_us):
                # Nobody can look at it.
                given.append(key)
                held -= len(self.store.homes[key])
        for top in sorted(filter(self._is_folded, trees), key=lambda top: (top in seen, *self._last_use(top))):
            if held <= self.ops * LEFT:
                break
            if (top in seen and not (hard and top not in self._looked)) or not all(
                _may_go(session, now_us) for session in trees[top]
            ):
                continue
            self.rows.folds.kept_open.discard(top)
            self._looked.pop(top, None)
            for session in trees[top]:
                given.append(session.key)
                held -= len(self.store.homes[given[-1]])
        self.asked.update(dict.fromkeys(given, now_us))
        return given

    def _top(self, key: SessionKey) -> SessionKey | None:
        return self.store.links.top(key) if key in self.store.sessions else None

    def _is_folded(self, top: SessionKey) -> bool:
        return not self.rows.folds.chosen.get(session_key(self.store.sessions[top]), False)

    def _last_use(self, top: SessionKey) -> tuple[int, SessionKey]:
        return max(self._looked.get(top, 0), self.store.sessions[top].last_ts), top


def _may_go(session: Session, now_us: int) -> bool:
    return session.whole and not is_open(session) and now_us - session.last_ts > QUIET
