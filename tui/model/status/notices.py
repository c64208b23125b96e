"""What is worth calling somebody back for: a session has finished, has failed, was left by its opencode, is stuck or
waits for a person.

Nothing is told that was so when the program started, nothing twice, and of a sub-agent only what stops it: that it has
finished is its parent's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tui.model.records import ChangeSet, Session, SessionKey
from tui.model.status.flags import looping
from tui.model.status.life import runner
from tui.model.status.state import State, is_open, session_state
from tui.model.status.table import ACTIVE, WAITING, WORKING
from tui.model.status.thresholds import SECOND
from tui.model.store.store import Store

GAP = 5 * SECOND
"""Time (µs) between two notices; what comes in between is told together."""
SETTLE = 2 * SECOND
"""Time (µs) for which a session with sub-agents or commands in the background has to stay at rest: when one of these
ends, opencode wakes the session a moment later, in another commit."""
SAME_FAILURE = 60 * SECOND
"""Time (µs) within which an error of the same class in one tree is one problem: what makes a sub-agent fail makes the
sessions above it fail, too."""
TITLES = 3
"""Sessions that one notice names."""

_WORDS = {
    "waiting": "waiting for you",
    "failed": "failed",
    "died": "left by its opencode, which has ended",
    "stuck": "silent for minutes",
    "looping": "calling the same again and again",
    "finished": "finished",
}
"""The kinds of notices in the order of their weight."""


class Notice(NamedTuple):
    """`kind` is a key of _WORDS; `since` is when (µs) the state began that it tells of; `reason` is that of the state,
    "" where the kind says all."""

    kind: str
    since: int
    session: SessionKey
    title: str
    reason: str = ""


def kind_of(before: str, state: State, child: bool, started_us: int) -> str:
    """What a session is to be told of for, "" for nothing. `before` is the name of the state it was in while it was
    active, "" when it was not; `child` that it is a sub-agent."""
    if state.since < started_us or state.untold:
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


def by_weight(notices: Iterable[Notice]) -> list[Notice]:
    """Notices, the heaviest first, then in the order of time."""
    weights = list(_WORDS)
    return sorted(notices, key=lambda notice: (weights.index(notice.kind), notice.since, notice.session))


def words(notices: Iterable[Notice]) -> str:
    """Some notices in one line; "" for none."""
    ordered = by_weight(notices)
    if not ordered:
        return ""
    kinds = {kind: sum(notice.kind == kind for notice in ordered) for kind in _WORDS}
    said = ", ".join((f"{count} " if len(ordered) > 1 else "") + _WORDS[kind] for kind, count in kinds.items() if count)
    titles = [notice.title for notice in ordered[:TITLES]]
    more = [f"{len(ordered) - TITLES} more"] if len(ordered) > TITLES else []
    return f"{said}: {', '.join(titles + more)}"


class _Pending(NamedTuple):
    """A notice that has not been given; `judged` is when (µs) it was found, `settles` how long (µs) it has to stay."""

    notice: Notice
    judged: int
    settles: int


def _still(state: State) -> str:
    """The kind of a notice that a session in this state may wait to be told of, though it was judged before."""
    if state.name == "orphaned":
        return "died"
    return "finished" if state.name == "idle" and not state.inferred else ""


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
        self._pending: dict[tuple[SessionKey, str], _Pending] = {}
        self._stuck: dict[SessionKey, SessionKey] = {}
        self._failures: dict[tuple[SessionKey, str], tuple[SessionKey, int]] = {}
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

    def due(self, now_us: int) -> list[Notice]:
        """What is to be told now, the heaviest first; nothing while the last notice is young."""
        # A clock that was set back says nothing of how long ago the last one was.
        if not self._pending or 0 <= now_us - self._last < GAP:
            return []
        ready = {place: one for place, one in self._pending.items() if not 0 <= now_us - one.judged < one.settles}
        if not ready:
            return []
        for place in ready:
            del self._pending[place]
        self._last = now_us
        return by_weight(one.notice for one in ready.values())

    def drop(self) -> None:
        """Forgets what has not been told: nobody wants to hear of it."""
        self._pending.clear()

    def _judge(self, keys: set[SessionKey], now_us: int) -> None:
        # What shows through is told of the session on top, which stands in the list.
        for key in sorted(keys, key=lambda key: (self._store.links.top(key) != key, key)):
            session = self._store.sessions.get(key)
            before = self._active.pop(key, "")
            if session is None:
                self._forget(key)
                self._stuck.pop(key, None)
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
        kind, since, reason = kind_of(before, state, bool(session.parent_id), self._started), state.since, state.reason
        if state.name == "orphaned" and before in ACTIVE and not session.parent_id and self._was_left(session):
            kind = "died"
        if not kind and state.name in WORKING and (loop := looping(session)) is not None:
            # One notice of a loop for a prompt, however long it goes on.
            prompt = session.newest_prompt
            if loop.until >= self._started:
                kind, since, reason = "looping", prompt.ts if prompt is not None else 0, loop.reason
        # What has been answered or goes on again before it was told is no news any more; what is still as it was, is.
        self._forget(key, keep=kind or _still(state))
        top = self._store.links.top(key)
        told = self._is_told_as_stuck(top, key, kind == "stuck")
        if not kind or told:
            return
        # A call that waits shows through to the sessions above it: one wait, however many show it.
        place = (top, kind)
        if (*place, since) in self._told:
            return
        self._told.add((*place, since))
        if kind in ("finished", "failed"):
            self.ended.add(key)
        if kind == "failed" and self._is_same_failure(top, key, state) and place not in self._pending:
            return
        waits = kind == "finished" and bool(session.aside or self._store.children_of(session))
        # Of what has finished the state says no more than how long ago.
        notice = Notice(kind, since, key, session.name, "" if kind == "finished" else reason)
        self._pending[place] = _Pending(notice, now_us, SETTLE if waits else 0)

    def _was_left(self, session: Session) -> bool:
        """Whether the process that worked on a session was seen to end: that a session is silent is no such sign."""
        life = runner(self._store, session)
        return life.lives is False and life.seen_to_end

    def _is_told_as_stuck(self, top: SessionKey, key: SessionKey, stuck: bool) -> bool:
        """Notes whether a session is stuck; whether it is while others of its tree are: that is one problem."""
        if not stuck:
            self._stuck.pop(key, None)
            return False
        others = any(above == top and one != key for one, above in self._stuck.items())
        if not others:
            self._stuck[key] = top
        return others

    def _is_same_failure(self, top: SessionKey, key: SessionKey, state: State) -> bool:
        """Whether an error of this class came up a moment ago elsewhere in the same tree. In the same session it is
        another one: somebody has tried again."""
        whose, since = self._failures.get((top, state.subject), (key, 0))
        self._failures[top, state.subject] = key, state.since
        return whose != key and abs(state.since - since) < SAME_FAILURE

    def _forget(self, key: SessionKey, keep: str = "") -> None:
        for place, one in list(self._pending.items()):
            if one.notice.session == key and one.notice.kind != keep:
                del self._pending[place]
