"""Events -> the fields of the model's records, with every text made harmless on the way in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from adapter.events import (
    NO_USAGE,
    OpFinalized,
    OpStarted,
    PayloadRef,
    SessionStarted,
    TurnFinalized,
    TurnStarted,
    Usage,
)
from tui.model.records import Op, Payload, Prompt
from tui.text.sanitize import label

ERROR_LIMIT = 2000
"""Longest error message kept, in characters: enough for a provider's explanation, not for its whole response."""
NEST_LIMIT = 4
"""Depth to which extras are kept; the contract's own are at most a list of short strings."""

ABORTED = frozenset({"MessageAbortedError", "aborted"})
"""Classes of error that say that a person stopped it: those of 1.x and of 2.x."""

NO_TURN_END: dict[str, Any] = {
    "status": "running",
    "finish": "",
    "error_class": "",
    "error_message": "",
    "end_ts": 0,
    "usage": NO_USAGE,
    "delta": NO_USAGE,
    "cost": 0.0,
}
"""A turn of which no end is known."""
OP_END = (
    "status", "error_class", "error_message", "end_ts", "usage", "delta", "cost", "bytes_in", "bytes_out",
    "context_used",
)  # fmt: skip
"""The fields of an Op that its end says, beside its place."""

NUMBERS = (int, float, bool)
"""What needs no cleaning, and most of what extras hold."""

# Names of agents, models, tools and directories come back by the thousand; a title does not.
_name = lru_cache(maxsize=4096)(label)


def session_facts(event: SessionStarted) -> dict[str, Any]:
    """The fields of a Session that its row says."""
    extras = event.extras
    usage = _usage(extras.get("usage"))
    cost = extras.get("cost")
    cwd = _name(event.cwd, ERROR_LIMIT)
    has_columns = bool((usage and usage.total) or cost or (usage and extras.get("sums_apart")))
    return {
        "root_id": event.root_id,
        "parent_id": event.parent_id,
        "kind": event.session_kind,
        "title": label(event.title),
        "agent": _name(event.agent),
        "model": _name(event.model),
        "provider_alias": _name(event.provider_alias),
        "cwd": cwd,
        "directory": event.cwd if event.cwd != cwd else "",
        "slug": label(event.slug),
        "version": _name(event.version),
        "project_id": event.project_id,
        "start_ts": event.ts,
        "updated_ts": _time(extras.get("time_updated")) or event.ts,
        "answered_ts": _time(extras.get("ended_ts")),
        "usage": (usage or Usage()) if has_columns else None,
        "cost": float(cost or 0.0) if has_columns else None,
        "extras": _extras(extras),
    }


def turn_facts(event: TurnStarted) -> dict[str, Any]:
    """The fields of a Turn that its start says."""
    return {
        "seq": event.turn_seq,
        "prompt_id": event.prompt_id,
        "agent": _name(event.agent),
        "model": _name(event.model),
        "provider_alias": _name(event.provider_alias),
        "start_ts": event.ts,
        "extras": _extras(event.extras),
    }


def turn_end(event: TurnFinalized) -> dict[str, Any]:
    """The fields of a Turn that its end says."""
    return {
        "status": event.status,
        "finish": _name(event.finish),
        "error_class": _name(event.error_class),
        "error_message": label(event.error_message, ERROR_LIMIT),
        "end_ts": event.end_ts,
        "usage": event.usage,
        "delta": event.delta,
        "cost": event.cost,
    }


def op_of(event: OpStarted) -> Op:
    """The Op that its start tells: all of its fields but those of its end, and its payloads."""
    extras = _extras(event.extras)
    # By position: so many keywords take twice as long, and a session has thousands.
    return Op(
        event.part_id,
        event.op_kind,
        event.message_id,
        event.op_seq,
        event.parent_op_seq,
        _name(event.name),
        # A source of an older version says the name alone.
        _name(event.tool or (event.name if event.op_kind in ("tool", "session") else "")),
        _name(event.namespace),
        event.ts,
        event.child_session_id,
        event.reasoning_kind,
        str(extras.get("label") or ""),
        str(extras.get("title") or ""),
        extras,
    )


def end_op(op: Op, event: OpFinalized) -> None:
    """Writes into an Op what its end says."""
    op.seq = event.op_seq
    op.status = event.status
    op.error_class = _name(event.error_class)
    op.error_message = label(event.error_message, ERROR_LIMIT)
    op.end_ts = event.end_ts
    op.usage = event.usage
    op.delta = event.delta
    op.cost = event.cost
    op.bytes_in = event.bytes_in
    op.bytes_out = event.bytes_out
    op.context_used = event.context_used


def payload(event: PayloadRef) -> Payload:
    """The record of a payload reference."""
    return Payload(
        kind=event.payload_kind,
        uri=event.uri,
        format=_name(event.format),
        size=event.size,
        preview=label(event.preview),
        ts=event.ts,
        part_id=event.part_id,
        op_seq=event.op_seq,
        extras=_extras(event.extras),
    )


def prompt_of(message_id: str, payloads: Mapping[str, Payload]) -> Prompt:
    """The prompt that a user message's references add up to. An attachment that comes before the prompt's own
    reference stands in for it, so that nothing is lost on the way."""
    typed = next((item for item in payloads.values() if item.kind == "user_prompt"), None)
    extras = typed.extras if typed else {}
    return Prompt(
        message_id=message_id,
        ts=typed.ts if typed else min(item.ts for item in payloads.values()),
        label=typed.preview if typed else "",
        agent=str(extras.get("agent") or ""),
        model=str(extras.get("model") or ""),
        synthetic=bool(extras.get("synthetic")),
        extras=extras,
        payloads=dict(payloads),
    )


def updated_at(extras: Mapping[str, Any]) -> int:
    """When the row was last written (µs), where the extras say it (`time_updated`), else 0."""
    return _time(extras.get("time_updated"))


def _time(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _usage(value: Any) -> Usage | None:
    """Five counters, as a struct from the adapter or as an object that went through JSON."""
    if isinstance(value, Usage):
        return value
    if isinstance(value, dict):
        return Usage(*[int(value.get(name) or 0) for name in Usage.__struct_fields__])
    return None


def _extras(extras: Mapping[str, Any]) -> dict[str, Any]:
    if not extras:
        return {}
    return {
        key: value if (kind := type(value)) in NUMBERS else label(value) if kind is str else _clean(value, NEST_LIMIT)
        for key, value in extras.items()
    }


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return label(value)
    if type(value) in NUMBERS or value is None:
        return value
    if depth == 0:
        return None
    if isinstance(value, dict):
        return {
            _name(str(key)): item if type(item) in NUMBERS else _clean(item, depth - 1) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_clean(item, depth - 1) for item in value]
    return value
