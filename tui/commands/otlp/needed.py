"""What of a session's events spans are made of: less than half. So much of a session that another process has mapped is
handed over, as MessagePack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from adapter.events import (
    Event,
    OpFinalized,
    OpStarted,
    PayloadRef,
    SessionFinalized,
    SessionStarted,
    TurnFinalized,
    TurnStarted,
)

Needed = SessionStarted | SessionFinalized | TurnStarted | TurnFinalized | OpStarted | OpFinalized | PayloadRef
ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(list[Needed])
ALWAYS = frozenset({SessionStarted, SessionFinalized, TurnStarted, TurnFinalized})
OPS = frozenset({OpStarted, OpFinalized})
TEXTS = frozenset({"llm_response", "llm_reasoning", "tool_request", "tool_response"})
"""Kinds of texts that stand on spans with `--payloads`, beside prompts."""


def without_texts(events: Sequence[Event]) -> Iterable[bytes]:
    """What spans are made of."""
    return (ENCODER.encode([event for event in events if _is_needed(event, frozenset())]),)


def with_texts(events: Sequence[Event]) -> Iterable[bytes]:
    """The same, and where texts are."""
    return (ENCODER.encode([event for event in events if _is_needed(event, TEXTS)]),)


def events_of(made: bytes | memoryview) -> list[Event]:
    """The events again."""
    return [*DECODER.decode(made)] if made else []


def _is_needed(event: Event, texts: frozenset[str]) -> bool:
    kind = type(event)
    if kind in OPS:
        return bool(event.op_kind == "tool")  # type: ignore[attr-defined]
    if kind is PayloadRef:
        return event.payload_kind == "user_prompt" or event.payload_kind in texts  # type: ignore[attr-defined]
    return kind in ALWAYS
