"""After a batch of events: order restored, references at home, finals decided, caches emptied, changes reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from adapter.events import SessionFinalized
from tui.model.records import (
    ChangeSet,
    Key,
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
from tui.model.status.state import told_idle
from tui.model.store import facts
from tui.model.store.batch import Batch, Touch
from tui.model.store.copies import choose
from tui.model.store.unnamed import infer_calls
from tui.model.tree.thoughts import heads
from tui.text.sanitize import label

if TYPE_CHECKING:
    from tui.model.store.store import Store


def settle(store: Store, batch: Batch) -> ChangeSet:
    """Finishes what `take` began and says what is different now."""
    choose(store, batch)
    if batch.tops:
        store.kids.clear()
    for key, touch in batch.touched.items():
        session = store.held(key)
        if session is not None:
            _settle_session(store, session, touch, batch)
    infer_calls(store, batch)
    _forget_steps(store, batch)
    roots = set(batch.tops)
    roots.update(store.links.top(key) for key, touch in batch.touched.items() if touch.layout and key in store.sessions)
    marked: set[SessionKey] = set()
    for key in batch.changed:
        if key in store.sessions:
            store.forget_sums(key)
            _mark_line(store, key, batch, marked)
    for key in batch.shrunk:
        if key in store.sessions:
            _mark_line(store, key, batch, marked)
    _mark_thoughts(store, batch)
    if store.copies.aside:
        # Of a copy that waits only that it has gone.
        batch.dirty = {key for key in batch.dirty if _is_told(store, key, batch)}
        batch.new = {key for key in batch.new if key.owner not in store.copies.aside}
    return ChangeSet(roots=roots, dirty=batch.dirty, order=bool(roots or marked), new=batch.new)


def _forget_steps(store: Store, batch: Batch) -> None:
    """Empties what is kept of the steps in which something is different."""
    for key in batch.dirty:
        if key.kind == "turn" and (steps := store.steps.get(key.owner)) is not None:
            steps.pop(key.id, None)
            if not steps:
                del store.steps[key.owner]


def _is_told(store: Store, key: Key, batch: Batch) -> bool:
    session = key.owner
    return session not in store.copies.aside or session in batch.tops


def _mark_thoughts(store: Store, batch: Batch) -> None:
    """Marks the first part of every thought of which a part is different: it has the row."""
    known: dict[tuple[str, str, str], dict[str, str]] = {}
    for key in [key for key in batch.dirty if key.kind == "op" and key.id.endswith(":reasoning")]:
        turn = store.turn_of_op(key)
        if turn is None:
            continue
        place = (key.source, key.session_id, turn.message_id)
        if place not in known:
            known[place] = heads(turn)
        batch.dirty.add(key._replace(id=known[place].get(key.id, key.id)))


def _settle_session(store: Store, session: Session, touch: Touch, batch: Batch) -> None:
    for message_id in touch.prompts:
        _settle_prompt(session, message_id, touch, batch)
    for message_id in touch.ops | touch.refs.keys():
        turn = session.turns.get(message_id)
        if turn is not None:
            _settle_turn(session, turn, touch, batch)
    if touch.turns:
        turns = sorted(session.turns.values(), key=lambda turn: (turn.seq, turn.start_ts, turn.message_id))
        session.turns = {turn.message_id: turn for turn in turns}
    if touch.recount:
        session.last_ts = max(_times(session))
    _settle_final(store, session, batch)


def _settle_prompt(session: Session, message_id: str, touch: Touch, batch: Batch) -> None:
    """Builds a prompt from all references to its message; without any it is gone."""
    old = session.prompts.get(message_id)
    payloads = dict(old.payloads) if old else {}
    refs = touch.refs.get(message_id, {})
    if any(item.kind == "user_prompt" for item in refs.values()):
        payloads = {uri: item for uri, item in payloads.items() if item.kind != "user_prompt"}
    payloads.update(refs)
    new = facts.prompt_of(message_id, _ordered(payloads)) if payloads else None
    if new == old:
        return
    key = Key(session.source, "prompt", session.id, message_id)
    batch.change(session.key, key)
    if old is None:
        batch.began(session, key)
    if new is None:
        session.prompts.pop(message_id, None)
    else:
        session.prompts[message_id] = new
        session.last_ts = max(session.last_ts, *(item.ts for item in payloads.values()))
    if old is None or new is None or old.ts != new.ts:
        touch.layout = True
        prompts = sorted(session.prompts.values(), key=lambda prompt: (prompt.ts, prompt.message_id))
        session.prompts = {prompt.message_id: prompt for prompt in prompts}


def _settle_turn(session: Session, turn: Turn, touch: Touch, batch: Batch) -> None:
    """Orders the ops of a turn and gives each its payload references: to the op of the same part, else (a patch
    belongs to the step around it) to the op with the reference's number, else to the turn."""
    if turn.message_id in touch.ops:
        ops = sorted(turn.ops.values(), key=lambda op: (op.seq, op.kind != "session", op.part_id))
        turn.ops = {op_id(op.part_id, op.kind): op for op in ops}
    everything = dict(turn.payloads)
    for op in turn.ops.values():
        everything.update(op.payloads)
    everything.update(touch.refs.get(turn.message_id, {}))
    if not everything:
        return
    by_part: dict[str, str] = {}
    by_seq: dict[int, str] = {}
    for name, op in turn.ops.items():
        by_seq[op.seq] = name
        if op.kind != "session" or op.part_id not in by_part:
            by_part[op.part_id] = name
    homes: dict[str, dict[str, Payload]] = {}
    for uri, item in _ordered(everything).items():
        home = by_part.get(item.part_id) or by_seq.get(item.op_seq) or ""
        homes.setdefault(home, {})[uri] = item
    changed: list[Key] = []
    if turn.payloads != homes.get("", {}):
        turn.payloads = homes.get("", {})
        changed.append(turn_key(session, turn))
    for name, op in turn.ops.items():
        payloads = homes.get(name, {})
        if op.payloads != payloads:
            turn.ops[name] = replace(op, payloads=payloads)
            changed.append(op_key(session, op))
    if changed:
        session.last_ts = max(session.last_ts, *(item.ts for item in everything.values()))
        batch.change(session.key, turn_key(session, turn), *changed)


def _ordered(payloads: dict[str, Payload]) -> dict[str, Payload]:
    return {item.uri: item for item in sorted(payloads.values(), key=lambda item: item.order)}


def _times(session: Session) -> list[int]:
    """Every time that the rows of a session name, from scratch: needed only when something went."""
    times = [session.start_ts, session.updated_ts, session.answered_ts]
    for prompt in session.prompts.values():
        times.extend(item.ts for item in prompt.payloads.values())
    for turn in session.turns.values():
        times += (turn.start_ts, turn.end_ts, facts.updated_at(turn.extras))
        times.extend(item.ts for item in turn.payloads.values())
        for op in turn.ops.values():
            times += (op.start_ts, op.end_ts, facts.updated_at(op.extras))
            times.extend(item.ts for item in op.payloads.values())
    return times


def _settle_final(store: Store, session: Session, batch: Batch) -> None:
    key = session.key
    final = store.finals.get(key)
    newest = next(reversed(session.turns.values()), None)
    archived = session.extras.get("archived_ts")
    ended: tuple[str, str, str, int] = ("", "", "", 0)
    if archived:
        ended = ("completed", "", "", int(archived))
    elif newest is not None and not session.partial:
        made_good = told_idle(session) and session.extras.get("idle_outcome") == "succeeded"
        if newest.status in ("failed", "aborted") and not session.extras.get("claimed") and not made_good:
            ended = (newest.status, newest.error_class, newest.error_message, newest.end_ts)
        elif final is not None and told_idle(session):
            ended = _told(final)
    elif final is not None:
        ended = _told(final)
    if ended != (session.final_status, session.error_class, session.error_message, session.end_ts):
        session.final_status, session.error_class, session.error_message, session.end_ts = ended
        batch.change(key)


def _told(final: SessionFinalized) -> tuple[str, str, str, int]:
    """What the adapter says of an end: the contract knows `failed` alone, and the class which of them a person made."""
    status = "aborted" if final.status == "failed" and final.error_class in facts.ABORTED else final.status
    message = label(final.error_message, facts.ERROR_LIMIT)
    return (status, label(final.error_class), message, final.end_ts or final.ts)


def _mark_line(store: Store, key: SessionKey, batch: Batch, marked: set[SessionKey]) -> None:
    """Marks a session and all that is above it: their lines show sums and states of what is below."""
    for current in (key, *store.links.above(key)):
        if current in marked:
            return
        marked.add(current)
        session = store.sessions[current]
        batch.dirty.add(session_key(session))
        call = store.call_key(session)
        if call is None:
            continue
        batch.dirty.add(call)
        parent = store.sessions[call.owner]
        turn = store.turn_of_op(call)
        if turn is not None:
            batch.dirty.add(turn_key(parent, turn))
            prompt = parent.prompts.get(turn.prompt_id)
            if prompt is not None:
                batch.dirty.add(prompt_key(parent, prompt))
