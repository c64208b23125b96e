"""Small builders of canonical events: one source, times in whole seconds, everything else by keyword."""

from __future__ import annotations

from typing import Any

from adapter.events import (
    NO_USAGE,
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
    Usage,
)
from tui.model.records import Key
from tui.model.store.store import Store

SOURCE = "opencode:/tmp/opencode.db"
SECOND = 1_000_000


def at(seconds: float) -> int:
    """A time in µs."""
    return int(seconds * SECOND)


def session(session_id: str = "s1", ts: float = 1, *, extras: dict[str, Any] | None = None, **fields: Any) -> Event:
    """A session row."""
    fields.setdefault("root_id", session_id)
    return SessionStarted(source=SOURCE, ts=at(ts), session_id=session_id, extras=extras or {}, **fields)


def failed(session_id: str = "s1", ts: float = 9, error: str = "APIError") -> Event:
    """The session's last answer has an error."""
    return SessionFinalized(
        source=SOURCE, ts=at(ts), session_id=session_id, status="failed", error_class=error, end_ts=at(ts)
    )


def gone(session_id: str = "s1") -> Event:
    """The session row is gone."""
    return SessionRemoved(source=SOURCE, ts=0, session_id=session_id)


def prompt(message_id: str, ts: float = 2, text: str = "do it", *, session_id: str = "s1", **extras: Any) -> Event:
    """A user message."""
    return PayloadRef(
        source=SOURCE,
        ts=at(ts),
        session_id=session_id,
        turn_seq=0,
        op_seq=0,
        payload_kind="user_prompt",
        uri=f"uri:{message_id}",
        message_id=message_id,
        part_id=f"{message_id}.text",
        preview=text,
        extras=extras,
    )


def turn(
    message_id: str,
    seq: int = 1,
    ts: float = 3,
    prompt_id: str = "",
    *,
    session_id: str = "s1",
    extras: dict[str, Any] | None = None,
    agent: str = "build",
) -> Event:
    """An assistant message."""
    return TurnStarted(
        source=SOURCE,
        ts=at(ts),
        session_id=session_id,
        turn_seq=seq,
        message_id=message_id,
        prompt_id=prompt_id,
        agent=agent,
        extras=extras or {},
    )


def turn_end(
    message_id: str,
    seq: int = 1,
    ts: float = 5,
    *,
    session_id: str = "s1",
    status: Any = "completed",
    finish: str = "stop",
    error: str = "",
    usage: Usage = NO_USAGE,
    delta: Usage = NO_USAGE,
    cost: float = 0.0,
) -> Event:
    """The assistant message is done."""
    return TurnFinalized(
        source=SOURCE,
        ts=at(ts),
        session_id=session_id,
        turn_seq=seq,
        message_id=message_id,
        status=status,
        finish=finish,
        error_class=error,
        end_ts=at(ts),
        usage=usage,
        delta=delta,
        cost=cost,
    )


def turn_gone(message_id: str, session_id: str = "s1") -> Event:
    """A message row is gone."""
    return TurnRemoved(source=SOURCE, ts=0, session_id=session_id, message_id=message_id)


def op(
    part_id: str,
    message_id: str,
    kind: Any = "tool",
    seq: int = 1,
    ts: float = 4,
    *,
    turn_seq: int = 1,
    session_id: str = "s1",
    name: str = "read",
    child: str = "",
    **extras: Any,
) -> Event:
    """A span of a turn."""
    return OpStarted(
        source=SOURCE,
        ts=at(ts),
        session_id=session_id,
        turn_seq=turn_seq,
        message_id=message_id,
        op_seq=seq,
        part_id=part_id,
        op_kind=kind,
        name=name if kind in ("tool", "session") else "",
        child_session_id=child,
        extras=extras,
    )


def op_end(
    part_id: str,
    message_id: str,
    kind: Any = "tool",
    seq: int = 1,
    ts: float = 5,
    *,
    turn_seq: int = 1,
    session_id: str = "s1",
    status: Any = "completed",
    error: str = "",
    usage: Usage = NO_USAGE,
    cost: float = 0.0,
) -> Event:
    """The span is done."""
    return OpFinalized(
        source=SOURCE,
        ts=at(ts),
        session_id=session_id,
        turn_seq=turn_seq,
        message_id=message_id,
        op_seq=seq,
        part_id=part_id,
        op_kind=kind,
        status=status,
        error_class=error,
        end_ts=at(ts),
        usage=usage,
        cost=cost,
    )


def op_gone(part_id: str, message_id: str, session_id: str = "s1") -> Event:
    """A part row is gone."""
    return OpRemoved(source=SOURCE, ts=0, session_id=session_id, message_id=message_id, part_id=part_id)


def ref(
    part_id: str,
    message_id: str,
    kind: Any = "tool_request",
    seq: int = 1,
    ts: float = 4,
    *,
    turn_seq: int = 1,
    session_id: str = "s1",
    field: str = "state.input",
) -> Event:
    """A payload reference of a part."""
    return PayloadRef(
        source=SOURCE,
        ts=at(ts),
        session_id=session_id,
        turn_seq=turn_seq,
        op_seq=seq,
        payload_kind=kind,
        uri=f"uri:{part_id}:{field}",
        message_id=message_id,
        part_id=part_id,
    )


def log(message: str, ref: str = "prt_1", severity: Any = "WRN", ts: float = 1, session_id: str = "s1") -> Event:
    """A remark."""
    return LogEntry(source=SOURCE, ts=at(ts), session_id=session_id, severity=severity, message=message, ref=ref)


def source_error(message: str, row_id: str = "", ts: float = 1) -> Event:
    """The source cannot be read."""
    return SourceError(source=SOURCE, ts=at(ts), message=message, table="part" if row_id else "", row_id=row_id)


def task(
    part_id: str, message_id: str, child: str, seq: int = 1, *, turn_seq: int = 1, session_id: str = "s1", ts: float = 4
) -> list[Event]:
    """A `task` call that names its child: the `session` op and the `tool` op of one part."""
    shared = {"turn_seq": turn_seq, "session_id": session_id, "ts": ts, "child": child, "name": "task"}
    return [
        op(part_id, message_id, "session", seq, **shared, label="look around"),
        op(part_id, message_id, "tool", seq + 1, **shared, label="look around"),
    ]


def store_of(*events: Event) -> Store:
    """A store that has taken the events in."""
    store = Store()
    store.apply(events)
    return store


def key(kind: str, node_id: str, session_id: str = "s1") -> Key:
    """The key of a node."""
    return Key(SOURCE, kind, session_id, node_id)


def snapshot(store: Store) -> dict[Any, Any]:
    """All that a store knows, in its order, as plain comparable data."""
    return {
        skey: (
            [getattr(item, name) for name in item.__struct_fields__ if name not in ("prompts", "turns", "logs")],
            [(prompt, list(prompt.payloads)) for prompt in item.prompts.values()],
            [(turn, [(op, list(op.payloads)) for op in turn.ops.values()]) for turn in item.turns.values()],
            list(item.logs.items()),
        )
        for skey, item in sorted(store.sessions.items())
    }
