"""What is worth calling somebody back for: a session has finished, has failed, is stuck or waits for a person.

Nothing is told that was so when the program started, nothing twice, and of a sub-agent only what stops it: that it has
finished is its parent's business.
"""

from __future__ import annotations

from typing import NamedTuple

from tui.model.records import ChangeSet, Session, SessionKey
from tui.model.status.flags import looping
from tui.model.status.state import State, is_open, session_state
from tui.model.status.table import ACTIVE, WAITING, WORKING
from tui.model.status.thresholds import SECOND
from tui.model.store.store import Store

GAP = 5 * SECOND
"""Time (µs) between two notices; what comes in between is told together."""
TITLES = 3
"""Sessions that one notice names."""

_WORDS = {
    "waiting": "waiting for you",
    "failed": "failed",
    "stuck": "silent for minutes",
    "looping": "calling the same again and again",
    "finished": "finished",
}
"""The kinds of notices in the order of their weight."""


class Notice(NamedTuple):
    """`kind` is a key of _WORDS; `since` is when (µs) the state began that it tells of."""

    kind: str
    since: int
    session: SessionKey
    title: str


def kind_of(before: str, state: State, child: bool, started_us: int) -> str:
    """What a session is to be told of for, "" for nothing. `before` is the name of the state it was in while it was
    active, "" when it was not; `child` that it is a sub-agent."""
    if state.since < started_us:
        return ""
    if state.name in WAITING:
        return "waiting"
    if state.name == "failed":
        return "failed"
    if state.name == "stalled":
        return "stuck"
    # Not `inferred`: opencode stops there because a person has refused something a moment ago.
    if state.name == "idle" and before in ACTIVE and not child and not state.inferred:
        return "finished"
    return ""


def words(notices: list[Notice]) -> str:
    """Some notices in one line, the heaviest first, then in the order of time."""
    weights = list(_WORDS)
    ordered = sorted(notices, key=lambda notice: (weights.index(notice.kind), notice.since, notice.session))
    kinds = {kind: sum(notice.kind == kind for notice in ordered) for kind in _WORDS}
    said = ", ".join((f"{count} " if len(ordered) > 1 else "") + _WORDS[kind] for kind, count in kinds.items() if count)
    titles = [notice.title for notice in ordered[:TITLES]]
    more = [f"{len(ordered) - TITLES} more"] if len(ordered) > TITLES else []
    return f"{said}: {', '.join(titles + more)}"


class Notices:
    """Watches the sessions of a store. `started_us` is when the program was started. `ended` are the sessions of which
    it was told that they have finished or failed, and those that were left behind, as long as they have not gone on and
    nobody has taken them out."""

    def __init__(self, store: Store, started_us: int) -> None:
        self.ended: set[SessionKey] = set()
        self._store = store
        self._started = started_us
        self._active: dict[SessionKey, str] = {}
        self._told: set[tuple[SessionKey, str, int]] = set()
        self._pending: dict[tuple[SessionKey, str], Notice] = {}
        self._last = -GAP

    def update(self, changes: ChangeSet, now_us: int) -> None:
        """Judges the sessions that changed."""
        self._judge({key.owner for key in changes.dirty} | changes.roots, now_us)

    def tick(self, now_us: int) -> None:
        """Judges again what time alone can change: a call that does not begin waits for permission after a while."""
        self._judge(set(self._active), now_us)

    @property
    def pending(self) -> bool:
        """Whether something is to be told, at once or after the gap."""
        return bool(self._pending)

    def due(self, now_us: int) -> str:
        """The words of the notice that is to be given now, "" for none."""
        # A clock that was set back says nothing of how long ago the last one was.
        if not self._pending or 0 <= now_us - self._last < GAP:
            return ""
        notices, self._pending = list(self._pending.values()), {}
        self._last = now_us
        return words(notices)

    def _judge(self, keys: set[SessionKey], now_us: int) -> None:
        for key in keys:
            session = self._store.sessions.get(key)
            before = self._active.pop(key, "")
            if session is None:
                self._forget(key)
                self.ended.discard(key)
            elif before or is_open(session) or max(session.last_ts, session.end_ts) >= self._started:
                self._consider(key, session, before, now_us)

    def _consider(self, key: SessionKey, session: Session, before: str, now_us: int) -> None:
        state = session_state(self._store, session, now_us)
        if state.name in ACTIVE:
            self._active[key] = state.name
        if state.name not in ("idle", "failed", "orphaned"):
            # It goes on, or a person has put it aside.
            self.ended.discard(key)
        is_news = state.inferred or state.since >= self._started
        if state.name == "orphaned" and before in ACTIVE and not session.parent_id and is_news:
            # Nobody would find it among what is over; but what was left before we began is only seen to be so now.
            self.ended.add(key)
        kind, since = kind_of(before, state, bool(session.parent_id), self._started), state.since
        if not kind and state.name in WORKING and (loop := looping(session)) is not None:
            # One notice of a loop for a prompt, however long it goes on.
            prompt = session.newest_prompt
            kind, since = (
                ("looping", prompt.ts if prompt is not None else 0) if loop.until >= self._started else ("", 0)
            )
        # What has been answered or goes on again before it was told is no news any more.
        self._forget(key, keep=kind)
        if not kind:
            return
        # A call that waits shows through to the sessions above it: one wait, however many show it.
        place = (self._store.links.top(key), kind)
        if (*place, since) not in self._told:
            self._told.add((*place, since))
            self._pending[place] = Notice(kind, since, key, session.name)
            if kind in ("finished", "failed"):
                self.ended.add(key)

    def _forget(self, key: SessionKey, keep: str = "") -> None:
        for place, notice in list(self._pending.items()):
            if notice.session == key and notice.kind != keep:
                del self._pending[place]
