"""Tokens and money: usage as recorded, delta as growth, numbers that are none made harmless with a warning."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter.events import Event, LogEntry, OpFinalized, SessionStarted, TurnFinalized, Usage
from adapter.opencode.rows import session_row
from adapter.opencode.schema import SESSION_COLUMNS
from adapter.opencode.sessions import map_session
from adapter.opencode.tokens import MAX_COUNT
from tests.adapter.rows import SOURCE, events_of, mapped, message_row

CLAMPED = "numbers out of range: shown as the nearest possible"


def step(**tokens: Any) -> list[dict[str, Any]]:
    return [{"type": "step-start"}, {"type": "step-finish", "reason": "stop", "cost": 0.5, "tokens": tokens}]


def llm_ends(events: list[Event]) -> list[OpFinalized]:
    return [event for event in events if isinstance(event, OpFinalized) and event.op_kind == "llm"]


def warnings(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, LogEntry) and event.severity == "WRN"]


def test_the_steps_of_one_message_grow_from_each_other_and_never_below_nothing() -> None:
    parts = [part for tokens in (100, 250, 410, 400) for part in step(input=tokens)]
    ends = llm_ends(events_of({"role": "assistant"}, parts))
    assert [end.usage.input for end in ends] == [100, 250, 410, 400]
    assert [end.delta.input for end in ends] == [100, 150, 160, 0]


def test_the_turns_of_a_session_grow_from_each_other() -> None:
    previous, deltas = None, []
    for tokens in ({"input": 100, "output": 30}, {"input": 300, "output": 80}):
        item = mapped(
            message_row("msg_1", {"role": "assistant", "tokens": tokens, "time": {"completed": 5}}, []), 1, previous
        )
        previous = item.usage
        (end,) = [event for event in item.groups[""] if isinstance(event, TurnFinalized)]
        deltas.append((end.delta.input, end.delta.output))
        assert (end.usage.input, end.usage.output) == (tokens["input"], tokens["output"])
    assert deltas == [(100, 30), (200, 50)]


def test_each_counter_is_clamped_by_itself() -> None:
    grown = Usage(5, 9, 1, 0, 4).growth_since(Usage(9, 5, 1, 3, 0))
    assert grown == Usage(0, 4, 0, 0, 4)


def test_the_context_is_the_prompt_that_went_out() -> None:
    tokens = {"input": 100, "output": 7, "reasoning": 3, "cache": {"read": 900, "write": 50}}
    (end,) = llm_ends(events_of({"role": "assistant"}, step(**tokens)))
    assert end.context_used == 1050
    assert (end.usage.total, end.cost) == (1060, 0.5)


def test_a_turn_without_an_end_tells_no_tokens_yet() -> None:
    item = mapped(message_row("msg_1", {"role": "assistant", "tokens": {"input": 9}}, []))
    assert item.usage is None
    assert not [event for event in item.groups[""] if isinstance(event, TurnFinalized)]


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("-5", 0),
        ("1.5", 1),
        ("1e400", None),
        ("1e300", MAX_COUNT),
        (str(2**53 + 1), MAX_COUNT),
        (str(10**30), MAX_COUNT),
    ],
)
def test_absurd_counters_saturate_with_a_warning(stored: str, shown: int | None) -> None:
    part = '{"type":"step-finish","tokens":{"input":%s}}' % stored  # noqa: UP031 - braces
    events = events_of({"role": "assistant"}, [{"type": "step-start"}, part])
    ends = llm_ends(events)
    assert warnings(events) != []
    if shown is not None:
        assert [end.usage.input for end in ends] == [shown]
        assert warnings(events) == [CLAMPED]


@pytest.mark.parametrize("stored", ["0", "7", "7.0", "null"])
def test_sound_counters_need_no_warning(stored: str) -> None:
    part = '{"type":"step-finish","tokens":{"input":%s}}' % stored  # noqa: UP031 - braces
    events = events_of({"role": "assistant"}, [{"type": "step-start"}, part])
    assert warnings(events) == []
    assert llm_ends(events)[0].usage.input == int(float(stored.replace("null", "0")))


@pytest.mark.parametrize("cost", [-1, -0.001, 1e309])
def test_money_is_never_negative_nor_endless(cost: float) -> None:
    text = json.dumps({"type": "step-finish", "cost": cost}).replace("Infinity", "1e400")
    events = events_of({"role": "assistant"}, [{"type": "step-start"}, text])
    assert [end.cost for end in llm_ends(events)] in ([0.0], [])
    assert warnings(events) != []


@pytest.mark.parametrize("moment", [1e300, 10**18, 9223372036854776])
def test_a_time_that_no_clock_can_show_is_the_last_one_and_told(moment: Any) -> None:
    data = {"role": "assistant", "time": {"created": moment, "completed": 7}}
    turn = mapped(message_row("msg_1", data, [], created=5)).groups[""]
    assert turn[0].ts == 253_402_300_799_000_000
    assert [words.partition(":")[0] for words in warnings(turn)] == ["unexpected value"]


@pytest.mark.parametrize("moment", [-1, True, "soon", None])
def test_absurd_times_fall_back_to_the_times_of_the_row(moment: Any) -> None:
    data = {"role": "assistant", "time": {"created": moment, "completed": 7}}
    item = mapped(message_row("msg_1", data, [], created=5))
    times = [event.ts for event in item.groups[""]]
    assert all(0 <= ts <= 253_402_300_799_000_000 for ts in times)
    assert times[0] == 5000


# -- the columns of a session


def session_events(**columns: Any) -> list[Event]:
    row = {"id": "ses_1", "title": "t", "time_created": 1, "time_updated": 2, **columns}
    return map_session(SOURCE, session_row(tuple(row.get(name) for name in SESSION_COLUMNS)), "ses_1", None)


def extras(**columns: Any) -> dict[str, Any]:
    (event,) = [event for event in session_events(**columns) if isinstance(event, SessionStarted)]
    return event.extras


def test_columns_that_hold_nothing_say_nothing() -> None:
    assert "usage" not in extras()
    assert "usage" not in extras(cost=0, tokens_input=0, tokens_output=0)


def test_columns_are_told_as_they_are() -> None:
    told = extras(cost=0.25, tokens_input=3, tokens_cache_read=4)
    assert told["usage"] == {"input": 3, "output": 0, "reasoning": 0, "cache_read": 4, "cache_write": 0}
    assert told["cost"] == 0.25


@pytest.mark.parametrize("value", [-7, "many", b"\x00", float("nan"), float("inf"), 2**70])
def test_absurd_columns_never_raise_nor_go_negative(value: Any) -> None:
    told = extras(cost=value, tokens_input=value, tokens_output=1, time_archived=value)
    assert 0 <= told["usage"]["input"] <= MAX_COUNT
    assert 0 <= told["cost"] < float("inf") or told["cost"] == pytest.approx(2.0**70)
