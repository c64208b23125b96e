"""Which call started a session that no call names: in 2.x the rows of the parent say it when the call has ended, and
never if its server died. The child's own row has the words of the call from the first moment (title, agent)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.model.records import Key, Op, Session, SessionKey, op_key, turn_key
from tui.model.store.batch import Batch

if TYPE_CHECKING:
    from tui.model.store.store import Store


def may_call(op: Op) -> bool:
    """Whether an op may have started a session that it does not name."""
    return op.kind == "tool" and not op.child_session_id and "child_agent" in op.extras


def infer_calls(store: Store, batch: Batch) -> None:
    """Finds the calls anew where something changed that may tell, and notes what is different."""
    if not store.links.knows_any_unnamed:
        return
    asked: set[SessionKey] = set()
    for key in batch.touched.keys() | batch.changed:
        parent = store.links.parent(key)
        asked.update(one for one in (key, parent) if one is not None and store.links.knows_unnamed(one))
    for key in asked:
        session = store.sessions.get(key)
        found = _calls(store, session) if session is not None else {}
        before = store.links.calls_inferred(key)
        # One that has lost its sub-agent is another row, too.
        lost = [op for child, op in before.items() if found.get(child) != op]
        for child in store.links.infer(key, found):
            _note(store, child, batch)
        if session is not None:
            for op in [*found.values(), *lost]:
                turn = store.turn_of_op(op)
                if turn is not None:
                    batch.dirty.add(turn_key(session, turn))


def _note(store: Store, child: SessionKey, batch: Batch) -> None:
    """A child hangs elsewhere now: it and its parent are laid out again."""
    for key in (child, store.links.parent(child)):
        if key is not None and key in store.sessions:
            batch.change(key).layout = True
            batch.tops.add(store.links.top(key))


def _calls(store: Store, session: Session) -> dict[SessionKey, Key]:
    """The calls of a session by the children that they started: same words, begun before the child and not over then.
    Of equal calls the first has the oldest child."""
    left: list[tuple[tuple[int, int], Op]] = []
    for key in store.links.asking(session.key):
        turn = store.turn_of_op(key)
        if turn is not None:
            left.append(((turn.seq, turn.ops[key.id].seq), turn.ops[key.id]))
    left.sort(key=lambda pair: pair[0])
    found: dict[SessionKey, Key] = {}
    for child in store.children_of(session):
        if store.is_named(child):
            continue
        for pair in left:
            if _fits(pair[1], child):
                found[child.source, child.id] = op_key(session, pair[1])
                left.remove(pair)
                break
    return found


def _fits(op: Op, child: Session) -> bool:
    """Whether a call may have started this session; the label may have been cut."""
    return (
        op.start_ts <= child.start_ts
        and not 0 < op.end_ts < child.start_ts
        and bool(op.label)
        and child.title.startswith(op.label)
        and op.extras["child_agent"] in (child.agent, "")
    )
