"""Finds the next place of a kind in the tree, whether or not it is folded away: failures, what waits, what runs.

Pure, and asked once per key stroke: the walk ends at the first tree with a hit, so its cost follows the distance. Only
sessions that are known to have a hit are asked where there is such a set.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from tui.model.records import Key, Session, SessionKey, op_key, prompt_key, session_key, turn_key
from tui.model.status.outcome import went_wrong
from tui.model.status.state import newest_turn, op_state, open_ops, unanswered
from tui.model.status.table import WAITING
from tui.model.store.store import Store
from tui.model.tree.layout import parent_key, row_key, shown_session

Place = tuple[tuple[int, str], ...]
"""Sorts the nodes of one tree as the screen shows them, parents before what is below them."""

Spots = Callable[[Session], list[Key]]
"""The hits among a session's own nodes, in any order."""

_AFTER_THE_REST = 1 << 62
"""Child sessions that no call names stand behind the prompts of their parent; times in µs are smaller."""


class Found(NamedTuple):
    """A hit; `wrapped` when the search went over the end of the list to get there."""

    key: Key
    wrapped: bool


def place(store: Store, key: Key) -> Place:
    """Where a node stands in its tree, folded away or not; a called session stands where its call does."""
    steps: list[tuple[int, str]] = []
    current: Key | None = key
    while current is not None:
        session = store.session_of(current)
        if session is None:
            break
        if current.kind == "session":
            call = store.call_key(session)
            if call is not None:
                current = call
                continue
            if store.parent_of(session) is not None:
                steps.append((_AFTER_THE_REST + session.start_ts, session.id))
        elif (op := store.op(current)) is not None:
            steps.append((op.seq, op.part_id))
        elif (turn := store.turn(current)) is not None:
            steps.append((turn.seq if turn.prompt_id in session.prompts else turn.start_ts, turn.message_id))
        elif (prompt := store.prompt(current)) is not None:
            steps.append((prompt.ts, prompt.message_id))
        current = parent_key(store, current)
    return tuple(reversed(steps))


def seek(
    store: Store,
    tops: Sequence[SessionKey],
    start: Key | None,
    spots: Spots,
    *,
    forward: bool,
    among: Collection[SessionKey] | None = None,
    first: int | None = None,
) -> Found | None:
    """The next hit after `start` (before it when not `forward`) in the trees of `tops`, over the end if need be.

    `among` are the only sessions that can have one, None when any can. Where `start` is in none of the trees, `first`
    is the tree that comes next. A single hit is found again from itself.
    """
    if not tops:
        return None
    by_top = _by_top(store, among) if among is not None else None
    session = store.session_of(start) if start is not None else None
    top = store.top_of(session) if session is not None else None
    here = tops.index(top.key) if top is not None and top.key in tops else None
    if here is not None:
        at = here
    elif first is not None:
        at = first - 1 if forward else first
    else:
        at = -1 if forward else len(tops)
    for distance in range(0 if here is not None else 1, len(tops) + 1):
        index = at + (distance if forward else -distance)
        tree = tops[index % len(tops)]
        sessions = by_top.get(tree, ()) if by_top is not None else family(store, store.sessions[tree])
        hits = sorted((place(store, key), key) for session in sessions for key in spots(session))
        if distance == 0 and start is not None:
            stand = place(store, start)
            hits = [hit for hit in hits if (hit[0] > stand if forward else hit[0] < stand)]
        if hits:
            return Found(hits[0 if forward else -1][1], not 0 <= index < len(tops))
    return None


def failures(store: Store, session: Session) -> list[Key]:
    """The calls and steps of a session that failed, commands by their exit code too; of one that is not loaded, or was
    given back, the session itself."""
    if not session.turns:
        kept = store.given_back.get(session.key)
        failed = session.final_status == "failed" or (kept is not None and kept.failed)
        return [session_key(session)] if failed else []
    found: list[Key] = []
    for turn in session.turns.values():
        if turn.status == "failed":
            found.append(turn_key(session, turn))
        found += [op_key(session, op) for op in turn.ops.values() if op.kind == "tool" and went_wrong(op)]
    return found


def questions(store: Store, session: Session, now_us: int) -> list[Key]:
    """The calls of a session that wait for a person, else what goes on in it."""
    turn = newest_turn(session)
    asking = [
        op_key(session, op)
        for op in (open_ops(turn) if turn is not None else ())
        if store.called_by(session, op) is None and op_state(store, session, op, now_us).name in WAITING
    ]
    return asking or [focus(session)]


def focus(session: Session) -> Key:
    """What goes on in a session: its newest open call, text or thought, else its newest step or prompt."""
    turn = newest_turn(session)
    if turn is not None:
        running = [op for op in turn.ops.values() if op.status == "running" and op.kind != "llm"]
        if running:
            calls = [op for op in running if op.kind == "tool"]
            return op_key(session, (calls or running)[-1])
    prompt = unanswered(session)
    if prompt is not None and (turn is None or turn.status != "running"):
        return prompt_key(session, prompt)
    return turn_key(session, turn) if turn is not None else session_key(session)


def sibling(store: Store, tops: Sequence[SessionKey], session: Session, step: int) -> Session | None:
    """The next session (-1: the one before) with the same parent in the order of the screen; None at the end."""
    parent = store.parent_of(session)
    if parent is None:
        key = session.key
        at = tops.index(key) + step if key in tops else -1
        return store.sessions[tops[at]] if 0 <= at < len(tops) else None
    brood = sorted(store.children_of(parent), key=lambda child: place(store, session_key(child)))
    at = brood.index(session) + step
    return brood[at] if 0 <= at < len(brood) else None


def enclosing(store: Store, key: Key) -> Session | None:
    """The session that a row shows, else the one that its node belongs to."""
    return shown_session(store, key) or store.session_of(key)


def caller(store: Store, key: Key) -> Key | None:
    """The row of the session around a node; of a session's own row, the row of its parent. None at the top."""
    session = store.session_of(key)
    if session is None:
        return None
    if key.kind == "session":
        parent = store.parent_of(session)
        return row_key(store, parent) if parent is not None else None
    return row_key(store, session)


def family(store: Store, session: Session) -> Iterator[Session]:
    """A session and everything below it, in no order. Iterative: nesting has no limit in the data."""
    stack = [session]
    while stack:
        current = stack.pop()
        yield current
        stack += store.children_of(current)


def _by_top(store: Store, among: Collection[SessionKey]) -> dict[SessionKey, list[Session]]:
    found: dict[SessionKey, list[Session]] = {}
    for key in among:
        session = store.sessions.get(key)
        if session is not None:
            found.setdefault(store.links.top(key), []).append(session)
    return found
