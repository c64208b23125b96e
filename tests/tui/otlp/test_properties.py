"""What holds for any history, however odd: no exception, no span that a collector cannot take, none twice, no parent in
another trace, and what was told in pieces is what was told at once."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from adapter.contract import Batch
from adapter.events import (
    Event,
    OpFinalized,
    OpStarted,
    PayloadRef,
    SessionStarted,
    TurnFinalized,
    TurnStarted,
    Usage,
)
from adapter.health import Health
from tests.tui.model.builders import SOURCE
from tui.commands.otlp.places import Places
from tui.commands.otlp.spans import MAX_NS, Mapper
from tui.commands.otlp.telling import Teller

SESSIONS = ("a", "b", "c")
ODD = st.text(st.characters(codec=None), max_size=30) | st.just("\ud800") | st.just("x" * 5_000) | st.just("\x00")
TIMES = st.sampled_from([0, -1, 1, 2**53, 2**63, 2**80, -(2**70)]) | st.integers(
    1_796_000_000_000_000, 1_796_000_000_000_050
)
COUNTS = st.integers(0, 2**53)
EXTRAS = st.dictionaries(
    st.sampled_from(["exit", "label", "summary", "variant", "by_user", "background", "time_updated", "synthetic"]),
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | ODD,
    max_size=3,
)
USAGE = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)


@st.composite
def sessions(draw: Any) -> list[list[Event]]:
    """Each session in groups of events, one a node; parents, calls and times are anything."""
    told: list[list[Event]] = []
    for name in SESSIONS:
        parent = draw(st.sampled_from([None, *SESSIONS]))
        kind = draw(st.sampled_from(["root", "sub_agent", "fork"]))
        extras = draw(
            st.sampled_from(
                [{}, {"claimed": False}, {"fork_session_id": "a"}, {"idle_outcome": "failed", "idle_ts": 5}]
            )
        )
        words = draw(ODD)
        start: list[Event] = [
            SessionStarted(
                source=SOURCE,
                ts=draw(TIMES),
                session_id=name,
                root_id="a",
                parent_id=parent,
                session_kind=kind,
                agent=words,
                title=words,
                cwd=words,
                version=draw(st.sampled_from(["1.2.1", "", "1.18.33"])),
                extras=extras,
            )
        ]
        events = [*start]
        for number in range(draw(st.integers(0, 3))):
            message = f"{name}.m{number}"
            prompt = draw(st.sampled_from(["", "u1", "u2"]))
            if prompt:
                events.append(
                    PayloadRef(
                        source=SOURCE,
                        ts=draw(TIMES),
                        session_id=name,
                        turn_seq=0,
                        op_seq=0,
                        payload_kind="user_prompt",
                        uri="",
                        message_id=prompt,
                    )
                )
            events.append(
                TurnStarted(
                    source=SOURCE,
                    ts=draw(TIMES),
                    session_id=name,
                    turn_seq=number + 1,
                    message_id=message,
                    prompt_id=prompt,
                    agent=draw(ODD),
                    model=draw(ODD),
                    provider_alias=draw(ODD),
                    extras=draw(EXTRAS),
                )
            )
            if draw(st.booleans()):
                events.append(
                    TurnFinalized(
                        source=SOURCE,
                        ts=draw(TIMES),
                        session_id=name,
                        turn_seq=number + 1,
                        message_id=message,
                        status=draw(st.sampled_from(["completed", "failed", "aborted"])),
                        finish=draw(st.sampled_from(["stop", "tool-calls", ""])),
                        error_class=draw(ODD),
                        error_message=draw(ODD),
                        end_ts=draw(TIMES),
                        usage=draw(USAGE),
                        cost=draw(st.floats()),
                    )
                )
            for call in range(draw(st.integers(0, 2))):
                part = f"{message}.t{call}"
                events.append(
                    OpStarted(
                        source=SOURCE,
                        ts=draw(TIMES),
                        session_id=name,
                        turn_seq=number + 1,
                        message_id=message,
                        op_seq=call + 1,
                        part_id=part,
                        op_kind="tool",
                        name=draw(ODD),
                        tool=draw(st.sampled_from(["task", ""])),
                        child_session_id=draw(st.sampled_from(["", *SESSIONS])),
                        extras=draw(EXTRAS),
                    )
                )
                if draw(st.booleans()):
                    events.append(
                        OpFinalized(
                            source=SOURCE,
                            ts=draw(TIMES),
                            session_id=name,
                            turn_seq=number + 1,
                            message_id=message,
                            op_seq=call + 1,
                            part_id=part,
                            op_kind="tool",
                            end_ts=draw(TIMES),
                            status=draw(st.sampled_from(["completed", "failed", "cancelled", "truncated"])),
                            error_class=draw(ODD),
                            error_message=draw(ODD),
                            bytes_out=draw(st.sampled_from([-1, 0, 2**70])),
                        )
                    )
        told.append(events)
    return told


class Kept:
    """An outbox that keeps everything."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    async def add(self, span: ReadableSpan, _size: int = 0) -> None:
        self.spans.append(span)

    def reached(self, _position: str) -> None:
        pass


def tell(batches: list[Batch], whole: dict[str, list[Event]], **options: Any) -> list[ReadableSpan]:
    """What leaves of these batches, of a database that holds the whole of each session."""
    kept = Kept()

    async def load(session_id: str) -> list[Event]:
        return whole.get(session_id, [])

    async def run() -> None:
        mapper = Mapper(Resource({}), payloads=options.get("payloads", False), redact=options.get("redact", False))
        teller = Teller(Places(load), mapper, kept, again=options.get("again", False))  # type: ignore[arg-type]
        for batch in batches:
            await teller.tell(batch)

    asyncio.run(run())
    return kept.spans


def batch(events: list[Event], *loaded: str) -> Batch:
    return Batch(events, Health(source=SOURCE, path=""), loaded=list(loaded))


def node_of(event: Event, events: list[Event]) -> list[Event]:
    """All events about the node of one: a source tells a node whole."""

    def name(each: Event) -> tuple[str, str]:
        return getattr(each, "message_id", ""), getattr(each, "part_id", "")

    return [each for each in events if name(each) == name(event)]


def facts(span: ReadableSpan) -> tuple[object, ...]:
    context = span.context
    assert context is not None
    return (
        context.trace_id,
        context.span_id,
        span.parent and span.parent.span_id,
        span.name,
        span.start_time,
        span.end_time,
    )


@settings(max_examples=150, deadline=None)
@given(sessions(), st.booleans())
def test_any_history_becomes_spans_that_can_be_sent(told: list[list[Event]], redact: bool) -> None:
    whole = dict(zip(SESSIONS, told, strict=True))
    spans = tell([batch(events, name) for name, events in whole.items()], whole, redact=redact)
    decoded = type(encode_spans(spans)).FromString(encode_spans(spans).SerializeToString())
    sent = [span for resource in decoded.resource_spans for scope in resource.scope_spans for span in scope.spans]
    assert len(sent) == len(spans)
    ids = {span.span_id: span for span in sent}
    assert len(ids) == len(sent), "a span came twice"
    for span, original in zip(sent, spans, strict=True):
        assert len(span.attributes) == len(original.attributes or ()), "an attribute could not be encoded"
        assert 0 <= span.start_time_unix_nano <= span.end_time_unix_nano <= MAX_NS
        assert len(span.name) < 300
        above = ids.get(span.parent_span_id)
        assert above is None or above.trace_id == span.trace_id
    for span in sent:
        # From any span the way up ends.
        seen, at = set(), span
        while at.parent_span_id and at.parent_span_id in ids:
            assert at.span_id not in seen, "a circle of parents"
            seen.add(at.span_id)
            at = ids[at.parent_span_id]


@settings(max_examples=100, deadline=None)
@given(sessions(), st.randoms(use_true_random=False))
def test_told_again_in_pieces_nothing_is_sent_twice_and_all_is_sent(told: list[list[Event]], dice: Any) -> None:
    whole = dict(zip(SESSIONS, told, strict=True))
    at_once = tell([batch(events, name) for name, events in whole.items()], whole, again=True)
    batches = [batch(events, name) for name, events in whole.items()]
    for _ in range(4):
        name = dice.choice(SESSIONS)
        # A session told whole once more, and one of which only a piece is told.
        batches.append(batch(whole[name], name))
        batches.append(batch(node_of(dice.choice(whole[name]), whole[name])))
    again = tell(batches, whole, again=True)
    assert sorted(map(repr, map(facts, again))) == sorted(map(repr, map(facts, at_once)))


def test_ids_do_not_depend_on_where_the_database_lies() -> None:
    def of(source: str) -> list[Event]:
        events: list[Event] = [
            SessionStarted(source=source, ts=1, session_id="a", root_id="a"),
            TurnStarted(source=source, ts=2, session_id="a", turn_seq=1, message_id="m", prompt_id="u"),
            TurnFinalized(
                source=source, ts=3, session_id="a", turn_seq=1, message_id="m", status="completed", finish="stop"
            ),
        ]
        return [msgspec.structs.replace(event) for event in events]

    one, other = (
        [facts(span) for span in tell([batch(of(source), "a")], {})] for source in ("opencode:/a", "opencode:/b")
    )
    assert one == other
    assert len(one) == 2
