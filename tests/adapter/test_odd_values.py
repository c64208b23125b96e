"""What cannot be read of a row costs the field and one warning, never the row and never silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter.events import (
    Event,
    LogEntry,
    OpFinalized,
    OpStarted,
    PayloadRef,
    SessionStarted,
    SourceError,
    TurnFinalized,
    TurnStarted,
)
from adapter.opencode.emit import TURN_GROUP, ownerless
from adapter.opencode.json import Malformed
from adapter.opencode.payloads import pick
from adapter.opencode.rows import MAX_MS, RawRow, raw_message, raw_part, session_row
from adapter.opencode.schema import SESSION_COLUMNS
from adapter.opencode.sessions import map_session
from adapter.opencode.v1.mapping import map_message
from adapter.opencode.v1.ops import PartRow
from adapter.opencode.v1.rows import AssistantMessage, ToolPart, decode_message, decode_part
from adapter.opencode.v2.mapping import map_session_message
from adapter.opencode.v2.rows import Assistant, decode_session_message
from adapter.references import parse
from tests.adapter.opencode_writer import tool
from tests.adapter.rows import SOURCE, events_of

OPEN = {"role": "assistant"}
DEEP = "[" * 20_000 + "]" * 20_000


def warnings(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, LogEntry) and event.severity == "WRN"]


def kinds(events: list[Event]) -> list[str]:
    """The kinds of warnings, as health counts them."""
    return [words.partition(":")[0] for words in warnings(events)]


def of(events: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in events if type(event) is kind]


# -- calls


@pytest.mark.parametrize("output", [{"ok": True}, 42, ["a"], True, 1.5])
def test_a_result_that_is_no_text_is_json_and_the_call_keeps_the_rest(output: Any) -> None:
    state = {"input": {"command": "ls"}, "title": "List", "time": {"start": 3, "end": 4}, "output": output}
    part = tool("completed", **state)
    events = events_of(OPEN, [part])
    (start,), (end,) = of(events, OpStarted), of(events, OpFinalized)
    assert (start.name, start.extras["label"], start.ts) == ("bash", "ls", 3000)
    assert (end.status, end.end_ts, end.bytes_out) == ("completed", 4000, len(json.dumps(output)))
    (result,) = [event for event in of(events, PayloadRef) if event.payload_kind == "tool_response"]
    assert (result.format, result.size) == ("json", len(json.dumps(output)))
    assert pick(part, parse(result.uri).field, result.uri) == output
    assert kinds(events) == ["unexpected value"]
    assert "state.output" in warnings(events)[0]


@pytest.mark.parametrize("title", [{"a": 1}, 7, ["a"]])
def test_a_title_that_is_no_text_is_json(title: Any) -> None:
    events = events_of(OPEN, [tool("completed", title=title, time={"start": 3, "end": 4})])
    assert of(events, OpStarted)[0].extras["title"] == json.dumps(title)
    assert of(events, OpFinalized)[0].end_ts == 4000
    assert kinds(events) == ["unexpected value"]


@pytest.mark.parametrize("error", [{"message": "x"}, 42, ["a"]])
def test_an_error_of_a_call_that_is_no_text_is_still_a_failure(error: Any) -> None:
    events = events_of(OPEN, [tool("error", error=error, time={"start": 3, "end": 4})])
    (end,) = of(events, OpFinalized)
    assert (end.status, end.error_class, end.error_message) == ("failed", "ToolError", json.dumps(error))
    assert kinds(events) == ["unexpected value"]


def test_several_odd_fields_of_one_row_are_one_warning_that_names_them() -> None:
    events = events_of(OPEN, [tool("completed", output=1, title=2, time={"start": "x", "end": 4})])
    (words,) = warnings(events)
    assert all(field in words for field in ("state.output", "state.title", "state.time.start"))
    assert of(events, OpFinalized)[0].end_ts == 4000


@pytest.mark.parametrize("metadata", [7, "x", [1]])
def test_metadata_that_is_no_object_is_told(metadata: Any) -> None:
    events = events_of(OPEN, [tool("running", "task", metadata=metadata)])
    assert warnings(events)[0].startswith("unexpected value: state.metadata: ")
    assert len(of(events, OpStarted)) == 1


def test_a_task_whose_session_is_a_number_is_told_and_another_tool_may_mean_what_it_likes() -> None:
    assert kinds(events_of(OPEN, [tool("running", "task", metadata={"sessionId": 42})])) == ["unexpected value"]
    assert kinds(events_of(OPEN, [tool("running", "plugin", metadata={"sessionId": 42})])) == []
    assert kinds(events_of(OPEN, [tool("running", "task", metadata=None)])) == []


def test_a_field_that_is_nested_too_deeply_costs_that_field() -> None:
    state = '{"status":"completed","input":' + DEEP + ',"output":"fine","time":{"start":3,"end":4}}'
    deep = '{"type":"tool","tool":"bash","state":' + state + "}"
    events = events_of(OPEN, [deep, '{"type":"text","text":' + DEEP + "}"])
    assert [op.op_kind for op in of(events, OpStarted)] == ["tool", "text"]
    assert of(events, OpFinalized)[0].end_ts == 4000
    assert kinds(events) == ["unexpected value", "unexpected value"]
    assert "nested too deeply" in warnings(events)[0]


def test_a_call_that_outgrew_the_limit_keeps_what_was_known_of_it() -> None:
    known = decode_part(json.dumps(tool("running", input={"command": "yes"}, time={"start": 3})))
    assert isinstance(known, ToolPart)
    large = PartRow(RawRow("prt_1", "msg_1", "ses_1", 1, 9), Malformed("too large", "not read"), known, 70_000_000)
    row = RawRow("msg_1", "msg_1", "ses_1", 1, 9)

    def mapped(message: dict[str, Any]) -> list[Event]:
        decoded = decode_message(json.dumps(message))
        assert isinstance(decoded, AssistantMessage)
        return [
            event for group in map_message(SOURCE, row, decoded, [large], 1, None).groups.values() for event in group
        ]

    while_open, ended = mapped(OPEN), mapped({"role": "assistant", "time": {"completed": 8}})
    (start,) = of(while_open, OpStarted)
    assert (start.name, start.extras["label"], start.ts, start.extras["unread_bytes"]) == (
        "bash",
        "yes",
        3000,
        70_000_000,
    )
    assert of(while_open, OpFinalized) == []
    (end,) = of(ended, OpFinalized)
    assert (end.status, end.error_message, end.bytes_out) == ("truncated", "result of 70 MB, not read", 70_000_000)
    for events in (while_open, ended):
        assert kinds(events) == ["too large"]
        assert len(of(events, SourceError)) == 1
        assert {ref.payload_kind: ref.size for ref in of(events, PayloadRef)}["tool_response"] == 70_000_000


# -- messages


@pytest.mark.parametrize(("error", "words"), [("timeout", "timeout"), (["a"], '["a"]'), (7, "7")])
def test_an_error_of_a_message_that_is_no_object_is_still_a_failure(error: Any, words: str) -> None:
    data = {"role": "assistant", "error": error, "time": {"created": 3, "completed": 4}, "tokens": {"input": 5}}
    events = events_of(data, [])
    (end,) = of(events, TurnFinalized)
    assert (end.status, end.error_class, end.error_message) == ("failed", "UnknownError", words)
    assert (end.end_ts, end.usage.input) == (4000, 5)
    assert kinds(events) == ["unexpected value"]


def test_a_counter_that_is_a_text_costs_that_counter() -> None:
    tokens = {"input": "123", "output": 7, "cache": {"read": [], "write": 3}}
    events = events_of({"role": "assistant", "tokens": tokens, "cost": "x", "time": {"completed": 4}}, [])
    usage = of(events, TurnFinalized)[0].usage
    assert (usage.input, usage.output, usage.cache_read, usage.cache_write) == (0, 7, 0, 3)
    (words,) = warnings(events)
    assert all(field in words for field in ("tokens.input", "tokens.cache.read", "cost"))


def test_an_odd_field_of_a_prompt_is_told() -> None:
    events = events_of({"role": "user", "agent": 7}, [{"type": "text", "text": 5}, {"type": "text", "text": "b"}])
    assert len(of(events, PayloadRef)) == 2
    assert kinds(events) == ["unexpected value", "unexpected value"]


def test_2x_keeps_a_call_with_an_odd_error_and_odd_metadata() -> None:
    state = {"status": "error", "input": {}, "error": 42, "metadata": "x"}
    item = {"type": "tool", "name": "shell", "state": state, "time": {"created": 1, "completed": 4}}
    message = decode_session_message("assistant", json.dumps({"content": [item], "error": "gone"}))
    assert isinstance(message, Assistant)
    groups = map_session_message(SOURCE, RawRow("msg_1", "msg_1", "ses_1", 1, 9), message, 1, None, "").groups
    events = [event for group in groups.values() for event in group]
    end = next(event for event in of(events, OpFinalized) if event.op_kind == "tool")
    assert (end.status, end.error_message, end.end_ts) == ("failed", "42", 4000)
    assert of(events, TurnFinalized)[0].error_message == "gone"
    assert kinds(events) == ["unexpected value", "unexpected value"]


# -- columns of messages and parts


def test_a_part_belongs_to_its_message_whatever_session_it_names() -> None:
    message = raw_message("msg_1", "ses_1", 5, 6)
    for own in ("", None, "ses_9", 7):
        row = raw_part(message, "prt_1", own, 5, 6)
        assert (row.session_id, row.message_id) == ("ses_1", "msg_1")
        events = _with_part(message, row)
        assert (kinds(events), len(of(events, OpStarted))) == (["owner differs"], 1)
    assert raw_part(message, "prt_1", "ses_1", 5, 6).odd == ()


@pytest.mark.parametrize(
    ("created", "at", "kind"),
    [
        ("x", 5, "no time"),
        (None, 5, "no time"),
        (-1, 5, "time out of range"),
        (9223372036854776, MAX_MS, "time out of range"),
    ],
)
def test_an_odd_time_of_a_part_is_that_of_its_message_or_the_last_there_is(created: Any, at: int, kind: str) -> None:
    message = raw_message("msg_1", "ses_1", 5, 6)
    row = raw_part(message, "prt_1", "ses_1", created, 7)
    assert row.time_created == at
    assert kinds(_with_part(message, row)) == [kind]


def test_an_odd_time_of_a_message_is_the_other_one() -> None:
    assert (raw_message("m", "s", "x", 6).time_created, raw_message("m", "s", 5, "x").time_updated) == (6, 5)
    assert [len(raw_message("m", "s", created, "x").odd) for created in (5, "x")] == [1, 2]


def _with_part(message: RawRow, row: RawRow) -> list[Event]:
    decoded = decode_message('{"role":"assistant"}')
    assert isinstance(decoded, AssistantMessage)
    parts = [PartRow(row, decode_part('{"type":"text","text":"t"}'))]
    return [event for group in map_message(SOURCE, message, decoded, parts, 1, None).groups.values() for event in group]


def test_a_message_without_a_session_says_so() -> None:
    decoded = decode_message('{"role":"assistant"}')
    assert isinstance(decoded, AssistantMessage)
    turn = map_message(SOURCE, raw_message("msg_1", "", 5, 6), decoded, [], 1, None).groups[TURN_GROUP]
    assert kinds(turn) == ["empty owner"]
    prompt = decode_session_message("user", '{"text":"x"}')
    assert not isinstance(prompt, Malformed)
    found = map_session_message(SOURCE, raw_message("msg_1", None, 5, 6), prompt, 1, None, "").groups[TURN_GROUP]
    assert kinds(found) == ["empty owner"]


def test_a_row_of_nobody_is_told() -> None:
    (empty,) = ownerless(SOURCE, "part", RawRow("prt_1", "", "ses_1", 5, 6))
    (gone,) = ownerless(SOURCE, "message", RawRow("msg_1", "msg_1", "ses_9", 5, 6))
    assert (empty.ref, empty.message) == ("prt_1", "empty owner: a part row whose message is ''")
    assert gone.message == "unknown owner: a message row whose session is 'ses_9'"


# -- columns of sessions


def session(**columns: Any) -> list[Event]:
    row = {"id": "ses_1", "title": "A session", "time_created": 1, "time_updated": 2, **columns}
    return map_session(SOURCE, session_row(tuple(row.get(name) for name in SESSION_COLUMNS)), "ses_1", None)


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"model": "{"}, "unexpected value"),
        ({"model": "[]"}, "unexpected value"),
        ({"model": '{"id":7,"providerID":"acme"}'}, "unexpected value"),
        ({"model": '{"id":' + DEEP + ',"providerID":"acme"}'}, "unexpected value"),
        ({"revert": "{"}, "unexpected value"),
        ({"revert": '{"messageID":' + DEEP + "}"}, "unexpected value"),
        ({"revert": DEEP}, "unexpected value"),
        ({"cost": "x"}, "no number"),
        ({"cost": "x", "tokens_input": "x"}, "no number"),
        ({"tokens_input": b"\x00"}, "no number"),
        ({"tokens_input": -5}, "numbers out of range"),
        ({"cost": -0.5}, "numbers out of range"),
        ({"time_created": "x"}, "no time"),
        ({"time_updated": "x"}, "no time"),
        ({"time_archived": "x"}, "no time"),
        ({"time_created": 9223372036854776}, "time out of range"),
    ],
)
def test_an_odd_column_of_a_session_is_told_once(columns: dict[str, Any], kind: str) -> None:
    events = session(**columns)
    assert kinds(events) == [kind]
    (remark,) = of(events, LogEntry)
    assert (remark.ref, remark.session_id) == ("ses_1", "ses_1")
    assert of(events, SessionStarted)[0].title == "A session"
    assert len(remark.message) < 300


def test_one_broken_field_of_the_model_leaves_the_other() -> None:
    (start,) = of(session(model='{"id":' + DEEP + ',"providerID":"acme"}'), SessionStarted)
    assert (start.model, start.provider_alias) == ("", "acme")


def test_a_session_without_a_beginning_begins_when_it_was_last_touched_and_not_in_1970() -> None:
    (start,) = of(session(time_created="x", time_updated=5), SessionStarted)
    assert start.ts == 5000


def test_a_sound_session_is_told_without_a_warning() -> None:
    columns = {"cost": 0.5, "tokens_input": 3, "time_archived": 7, "model": '{"id":"m"}', "revert": "null"}
    assert kinds(session(**columns)) == []


def test_a_turn_without_oddities_has_no_warning() -> None:
    assert kinds(events_of({"role": "assistant", "time": {"created": 1}}, [tool("completed", output="x")])) == []
    assert of(events_of(OPEN, []), TurnStarted)[0].ts == 1000
