"""How one event changes the store; what has to wait for the end of the batch is noted for `settle.py`.

The rules that make the result independent of order are in the docstring of `store.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from adapter.events import (
    Event,
    LogEntry,
    OpFinalized,
    OpRemoved,
    OpStarted,
    PayloadRef,
    SessionFinalized,
    SessionRemoved,
    SessionStarted,
    SourceError,
    TurnFinalized,
    TurnRemoved,
    TurnStarted,
)
from tui.model.records import (
    Log,
    Op,
    Payload,
    Session,
    SessionKey,
    Turn,
    op_id,
    op_key,
    prompt_key,
    session_key,
    turn_key,
)
from tui.model.store import facts
from tui.model.store.batch import Batch, keys_of_turn
from tui.model.store.remarks import LogBook
from tui.model.store.unnamed import may_call
from tui.text.sanitize import label

if TYPE_CHECKING:
    from tui.model.store.store import Store

OP_KINDS = ("llm", "tool", "session", "reasoning", "text", "compaction")


def take(store: Store, event: Event, batch: Batch) -> None:
    """Puts one event in. Kinds that say nothing about the model (progress, kinds of a later version) pass by."""
    handler = _HANDLERS.get(type(event))
    if handler is not None:
        handler(store, event, batch)


def unload(store: Store, key: SessionKey, batch: Batch) -> None:
    """Drops the prompts and turns of a session."""
    session = store.held(key)
    if session is None or not session.loaded:
        return
    for turn in session.turns.values():
        for op in turn.ops.values():
            _forget_call(store, session, op, batch)
        batch.dirty.update(keys_of_turn(session, turn))
    store.homes.pop(key, None)
    session.turns, session.prompts, session.aside, session.loaded, session.partial = {}, {}, {}, False, False
    batch.change(key).layout = True


# -- sessions ---------------------------------------------------------------------------------------------------


def _session(store: Store, event: Any, batch: Batch) -> Session:
    """The session an event speaks of; an empty one stands in until its row arrives."""
    session = store.held((event.source, event.session_id))
    if session is None:
        session = Session(source=event.source, id=event.session_id, root_id=event.session_id)
        _take_in(store, session, batch)
    return session


def _take_in(store: Store, session: Session, batch: Batch) -> None:
    """Adds a session that was not known, and hangs it where its row says."""
    key = session.key
    store.sessions[key] = session
    if session.source not in store.copies.sources:
        store.copies.prefer((session.source,))
    batch.rows.add(session.id)
    batch.new.add(session_key(session))
    book = store.books.get(session.source)
    if book is not None:
        session.logs = book.about(session.id)
    place(store, session, batch)


def place(store: Store, session: Session, batch: Batch) -> None:
    """Hangs a session where its row says; the sums on both ways up are forgotten."""
    key = session.key
    batch.shrunk.update(store.links.above(key))
    store.forget_sums(key)
    tops = store.links.place(key, (session.source, session.parent_id) if session.parent_id else None)
    if tops:
        batch.tops |= tops
        batch.change(key)
        for child in store.links.children(key):
            store.forget_sums(child)
    store.forget_sums(key)


def _session_started(store: Store, event: SessionStarted, batch: Batch) -> None:
    key = (event.source, event.session_id)
    session = store.held(key)
    new = facts.session_facts(event)
    if session is None:
        session = Session(source=event.source, id=event.session_id, **new)
        session.last_ts = max(session.start_ts, session.updated_ts, session.answered_ts)
        _take_in(store, session, batch)
    elif any(getattr(session, name) != value for name, value in new.items()):
        batch.change(key)
        batch.rows.add(event.session_id)
        is_shown = key in store.sessions
        if is_shown and session.start_ts != new["start_ts"]:
            store.kids.clear()
            batch.tops.add(store.links.top(key))
        for name, value in new.items():
            setattr(session, name, value)
        session.last_ts = max(session.last_ts, session.start_ts, session.updated_ts, session.answered_ts)
        if is_shown:
            place(store, session, batch)
    if store.finals.pop(key, None) is not None:
        batch.touch(key)


def _session_finalized(store: Store, event: SessionFinalized, batch: Batch) -> None:
    session = _session(store, event, batch)
    key = session.key
    store.finals[key] = event
    batch.touch(key)


def _session_removed(store: Store, event: SessionRemoved, batch: Batch) -> None:
    key = (event.source, event.session_id)
    session = store.held(key)
    if session is None:
        return
    batch.turn = None
    batch.rows.add(event.session_id)
    batch.shrunk.update(store.links.above(key))
    store.forget_sums(key)
    for turn in session.turns.values():
        for op in turn.ops.values():
            _forget_call(store, session, op, batch)
    batch.dirty.add(session_key(session))
    batch.tops |= store.links.remove(key) | {key}
    store.sessions.pop(key, None)
    store.copies.aside.pop(key, None)
    store.homes.pop(key, None)
    store.steps.pop(key, None)
    store.arriving.discard(key)
    store.given_back.pop(key, None)
    store.finals.pop(key, None)
    batch.touched.pop(key, None)
    batch.changed.discard(key)
    if event.source in store.books:
        store.books[event.source].forget(event.session_id)


# -- turns and prompts ------------------------------------------------------------------------------------------


def _content(store: Store, event: Any, batch: Batch) -> tuple[SessionKey, Session]:
    """The session whose prompts or turns an event speaks of: with the first of them it counts as loaded."""
    key = (event.source, event.session_id)
    session = store.sessions.get(key) or _session(store, event, batch)
    if not session.loaded:
        session.loaded, session.partial = True, key in store.arriving
        batch.read.add(key)
        if not session.partial:
            store.given_back.pop(key, None)
        batch.change(key).layout = True
    return key, session


def _turn(store: Store, event: Any, batch: Batch) -> tuple[SessionKey, Session, Turn]:
    """The turn an event speaks of; an empty one stands in until its start arrives."""
    # Nearly always that of the event before.
    found = batch.turn
    if found is not None and found[2].message_id == event.message_id and found[0] == (event.source, event.session_id):
        return found
    key, session = _content(store, event, batch)
    turn = session.turns.get(event.message_id)
    if turn is None:
        turn = session.turns[event.message_id] = Turn(message_id=event.message_id, seq=event.turn_seq)
        touch = batch.change(key, turn_key(session, turn))
        touch.layout = touch.turns = True
        batch.began(session, turn_key(session, turn))
    found = batch.turn = key, session, turn
    return found


def _turn_started(store: Store, event: TurnStarted, batch: Batch) -> None:
    key, session, turn = _turn(store, event, batch)
    new = facts.turn_facts(event)
    if all(getattr(turn, name) == value for name, value in new.items()):
        return
    touch = batch.change(key, *keys_of_turn(session, turn))
    if turn.seq != event.turn_seq or turn.prompt_id != event.prompt_id or turn.start_ts != event.ts:
        touch.layout = touch.turns = True
    if turn.start_ts:
        new.update(facts.NO_TURN_END)
    for name, value in new.items():
        setattr(turn, name, value)
    session.last_ts = max(session.last_ts, turn.start_ts, facts.updated_at(turn.extras))
    batch.dirty.update(keys_of_turn(session, turn))


def _turn_finalized(store: Store, event: TurnFinalized, batch: Batch) -> None:
    key, session, turn = _turn(store, event, batch)
    new = facts.turn_end(event)
    if all(getattr(turn, name) == value for name, value in new.items()):
        return
    for name, value in new.items():
        setattr(turn, name, value)
    session.last_ts = max(session.last_ts, turn.end_ts)
    batch.change(key, *keys_of_turn(session, turn))


def _turn_removed(store: Store, event: TurnRemoved, batch: Batch) -> None:
    key = (event.source, event.session_id)
    session = store.held(key)
    if session is None:
        return
    batch.turn = None
    touch = batch.touch(key)
    touch.refs.pop(event.message_id, None)
    # What the batch tells of the message from here on may be an answer: its references make no prompt.
    touch.prompts.discard(event.message_id)
    turn = session.turns.pop(event.message_id, None)
    prompt = session.prompts.pop(event.message_id, None)
    if turn is not None:
        for name, op in turn.ops.items():
            _forget_call(store, session, op, batch)
            store.homes[key].pop(name, None)
        batch.dirty.update(keys_of_turn(session, turn))
    if prompt is not None:
        batch.dirty.add(prompt_key(session, prompt))
    if turn is not None or prompt is not None:
        batch.change(key)
        touch.layout = touch.recount = True


# -- ops and payloads -------------------------------------------------------------------------------------------


def _op_started(store: Store, event: OpStarted, batch: Batch) -> None:
    if event.turn_seq < 1:
        return
    key, session, turn = _turn(store, event, batch)
    old = turn.ops.get(op_id(event.part_id, event.op_kind))
    new = facts.op_of(event)
    if old is None:
        batch.made(new)
    else:
        with_end = replace(new, payloads=old.payloads, **{name: getattr(old, name) for name in facts.OP_END})
        if with_end == old:
            return
        if old.start_ts:
            _drop_refs_of_part(session, turn, event.part_id, batch)
            new.payloads = {uri: item for uri, item in old.payloads.items() if item.part_id != event.part_id}
        else:
            new = with_end
    _put_op(store, key, session, turn, old, new, batch)


def _op_finalized(store: Store, event: OpFinalized, batch: Batch) -> None:
    if event.turn_seq < 1:
        return
    key, session, turn = _turn(store, event, batch)
    old = turn.ops.get(op_id(event.part_id, event.op_kind))
    if old is not None and old.seq == event.op_seq and batch.is_made(old):
        # All that an end can change of what follows from an op has been noted when it was made.
        facts.end_op(old, event)
        session.last_ts = max(session.last_ts, old.end_ts)
        return
    new = replace(old) if old else Op(event.part_id, event.op_kind, event.message_id, event.op_seq)
    facts.end_op(new, event)
    _put_op(store, key, session, turn, old, new, batch)


def _put_op(
    store: Store, owner: SessionKey, session: Session, turn: Turn, old: Op | None, new: Op, batch: Batch
) -> None:
    if new == old:
        return
    key = op_key(session, new)
    name = key.id
    turn.ops[name] = new
    homes = store.homes.get(owner)
    if homes is None:
        homes = store.homes[owner] = {}
    homes[name] = turn.message_id
    touch = batch.change(owner, key)
    batch.change_turn(session, turn)
    if old is None or old.seq != new.seq:
        touch.layout = True
        touch.ops.add(turn.message_id)
    is_asking = may_call(new)
    if is_asking or store.links.knows_any_unnamed:
        store.links.ask(owner, key, is_asking)
    told_as = new.extras.get("told_as")
    if new.kind == "tool" and isinstance(told_as, list):
        session.aside[name] = told_as
    elif session.aside:
        session.aside.pop(name, None)
    if old is None:
        batch.began(session, key)
    if old is None or old.child_session_id != new.child_session_id:
        if old is not None:
            _link_child(store, session, old, "", batch)
        _link_child(store, session, new, new.child_session_id, batch)
        touch.layout = True
    session.last_ts = max(session.last_ts, new.start_ts, new.end_ts, facts.updated_at(new.extras))


def _link_child(store: Store, session: Session, op: Op, child_id: str, batch: Batch) -> None:
    """Keeps the index of calls: `op` names the session `child_id`, or ("") no longer the one it named."""
    if op.kind != "session" or not op.child_session_id:
        return
    child = (session.source, op.child_session_id)
    if child_id:
        store.links.call(child, op_key(session, op))
    else:
        store.links.uncall(child, op_key(session, op))
    if child in store.sessions:
        batch.tops.add(store.links.top(child))
        for caller in store.links.callers(child):
            # Which of them is the call that it hangs under may be another one now.
            owner, turn = store.session_of(caller), store.turn_of_op(caller)
            if owner is not None and turn is not None:
                batch.dirty.add(turn_key(owner, turn))


def _forget_call(store: Store, session: Session, op: Op, batch: Batch) -> None:
    """An op is gone, and with it the call that it was."""
    if store.links.knows_any_unnamed:
        store.links.ask(session.key, op_key(session, op), False)
    if session.aside:
        session.aside.pop(op_id(op.part_id, op.kind), None)
    _link_child(store, session, op, "", batch)


def _op_removed(store: Store, event: OpRemoved, batch: Batch) -> None:
    key = (event.source, event.session_id)
    session = store.held(key)
    if session is None:
        return
    touch = batch.touch(key)
    prompt = session.prompts.get(event.message_id)
    turn = session.turns.get(event.message_id)
    _drop_refs(touch.refs.get(event.message_id, {}), event.part_id)
    if prompt is not None and _drop_refs(prompt.payloads, event.part_id):
        batch.change(key, prompt_key(session, prompt))
        # A prompt that stays as it is but for this must be rebuilt, and one without any reference goes.
        touch.prompts.add(event.message_id)
        touch.recount = True
    if turn is None:
        return
    gone = [op for kind in OP_KINDS if (op := turn.ops.pop(op_id(event.part_id, kind), None)) is not None]
    for op in gone:
        _forget_call(store, session, op, batch)
        store.homes[key].pop(op_id(op.part_id, op.kind), None)
        batch.dirty.add(op_key(session, op))
    lost = _drop_refs_of_part(session, turn, event.part_id, batch)
    if gone or lost:
        batch.change(key, *keys_of_turn(session, turn))
        touch.ops.add(turn.message_id)
        touch.recount = True
        touch.layout = touch.layout or bool(gone)


def _drop_refs_of_part(session: Session, turn: Turn, part_id: str, batch: Batch) -> bool:
    """Drops the references of a part from a turn, from its ops, and from what the batch has yet to give them."""
    waiting = batch.touch(session.key).refs.get(turn.message_id, {})
    lost = _drop_refs(turn.payloads, part_id) | _drop_refs(waiting, part_id)
    for name, op in turn.ops.items():
        kept = {uri: item for uri, item in op.payloads.items() if item.part_id != part_id}
        if len(kept) != len(op.payloads):
            turn.ops[name] = replace(op, payloads=kept)
            batch.dirty.add(op_key(session, op))
            lost = True
    return lost


def _drop_refs(payloads: dict[str, Payload], part_id: str) -> bool:
    gone = [uri for uri, item in payloads.items() if item.part_id == part_id]
    for uri in gone:
        del payloads[uri]
    return bool(gone)


def _payload_ref(store: Store, event: PayloadRef, batch: Batch) -> None:
    if event.turn_seq > 0:
        key, _, _ = _turn(store, event, batch)
    else:
        key, _ = _content(store, event, batch)
        batch.touch(key).prompts.add(event.message_id)
    refs = batch.touch(key).refs.setdefault(event.message_id, {})
    if event.payload_kind == "user_prompt":
        # One prompt, one reference: it moves from the message to its first text when that arrives.
        for uri in [uri for uri, item in refs.items() if item.kind == "user_prompt"]:
            del refs[uri]
    refs[event.uri] = facts.payload(event)


# -- remarks ----------------------------------------------------------------------------------------------------


def _log_entry(store: Store, event: LogEntry, batch: Batch) -> None:
    log = Log(event.ts, event.severity, label(event.message), event.ref, event.session_id)
    book = store.books.setdefault(event.source, LogBook())
    key = (event.source, event.session_id)
    # A remark alone makes no session: it can be about a row whose session is missing.
    if book.add(log) and (session := store.held(key)) is not None:
        session.logs = book.about(event.session_id)
        batch.change(key)


def _source_error(store: Store, event: SourceError, batch: Batch) -> None:
    # What is wrong with one row is told a second time, as a remark about its session.
    if not event.row_id:
        store.books.setdefault(event.source, LogBook()).add(Log(event.ts, "ERR", label(event.message), ""))


_HANDLERS: dict[type[Event], Callable[[Any, Any, Batch], None]] = {
    SessionStarted: _session_started,
    SessionFinalized: _session_finalized,
    SessionRemoved: _session_removed,
    TurnStarted: _turn_started,
    TurnFinalized: _turn_finalized,
    TurnRemoved: _turn_removed,
    OpStarted: _op_started,
    OpFinalized: _op_finalized,
    OpRemoved: _op_removed,
    PayloadRef: _payload_ref,
    LogEntry: _log_entry,
    SourceError: _source_error,
}
