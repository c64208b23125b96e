"""Rows of session_message as events: every type, every state of a call, under the field names of 1.18 and of 2.x."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.events import (
    Event,
    LogEntry,
    OpFinalized,
    OpStarted,
    PayloadRef,
    SessionFinalized,
    TurnFinalized,
    TurnStarted,
    Usage,
)
from adapter.local import OpencodeSource
from tests.adapter.opencode_writer import insert
from tests.adapter.writer_2x import ALONE, SESSION_V2, call, counters, step

TEXT = {"type": "text", "text": "Hello."}
THOUGHT = {"type": "reasoning", "text": "Let me think.", "time": {"created": 1010, "completed": 1090}}
SESSION = {
    "id": "ses_1", "project_id": "global", "slug": "x", "directory": "/x", "version": "2.0.3",
    "time_created": 1, "time_updated": 1,
}  # fmt: skip


def events_of(*rows: tuple[str, Any], updated: int = 9000) -> list[Event]:
    """The events of a session made of (type, data) rows, in order; ids are `msg_0`, `msg_1` ..."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "opencode.db"
        connection = sqlite3.connect(path)
        connection.executescript(ALONE + SESSION_V2)
        connection.execute(*insert("session_v2", SESSION))
        for seq, (kind, data) in enumerate(rows):
            row = {"id": f"msg_{seq}", "session_id": "ses_1", "type": kind, "seq": seq, "time_created": 1000 + seq}
            text = data if isinstance(data, str) else json.dumps(data)
            connection.execute(*insert("session_message", {**row, "time_updated": updated, "data": text}))
        connection.commit()
        connection.close()
        return asyncio.run(load(path))


async def load(path: Path) -> list[Event]:
    async with OpencodeSource(path) as source:
        return await source.load("ses_1")


def of(events: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in events if type(event) is kind]


def one(events: list[Event], kind: type[Event]) -> Any:
    (found,) = of(events, kind)
    return found


def calls(events: list[Event]) -> list[Any]:
    return [event for event in of(events, OpStarted) if event.op_kind == "tool"]


def end_of(events: list[Event], op_kind: str) -> Any:
    return next((event for event in of(events, OpFinalized) if event.op_kind == op_kind), None)


# -- answers


def test_an_answer_is_a_turn_with_a_step_and_an_op_for_each_item() -> None:
    done = call(
        "completed", ran=1110, completed=1500, input={"command": "ls"}, content=[{"type": "text", "text": "a\n"}]
    )
    data = step(THOUGHT, TEXT, done, completed=2000, tokens=100, finish="tool-calls")
    events = events_of(("user", {"text": "Go."}), ("assistant", data))
    ops = of(events, OpStarted)
    assert [(op.op_kind, op.op_seq, op.parent_op_seq, op.part_id) for op in ops] == [
        ("llm", 1, -1, "msg_1:step"),
        ("reasoning", 2, 1, "msg_1:reasoning0"),
        ("text", 3, 1, "msg_1:text1"),
        ("tool", 4, 1, "msg_1:tool2"),
    ]
    assert [(op.op_kind, op.status, op.end_ts) for op in of(events, OpFinalized)] == [
        ("llm", "completed", 2_000_000),
        ("reasoning", "completed", 1_090_000),
        ("text", "completed", 1_100_000),
        ("tool", "completed", 1_500_000),
    ]
    turn = one(events, TurnStarted)
    assert (turn.message_id, turn.prompt_id, turn.turn_seq) == ("msg_1", "msg_0", 1)
    assert (turn.agent, turn.model, turn.provider_alias, turn.extras) == (
        "build",
        "mock-1",
        "mock",
        {"variant": "default"},
    )
    final = one(events, TurnFinalized)
    assert (final.status, final.finish, final.usage, final.cost) == ("completed", "tool-calls", Usage(100), 1e-4)


def test_the_same_ids_of_items_in_two_answers_are_two_nodes() -> None:
    item = {**THOUGHT, "id": "reasoning-0"}
    events = events_of(("assistant", step(item)), ("assistant", step(item)))
    assert len({op.part_id for op in of(events, OpStarted)}) == 4


def test_usage_is_as_recorded_and_delta_is_growth() -> None:
    first, second = (step(TEXT, completed=2000, tokens=tokens) for tokens in (250, 300))
    events = events_of(("assistant", first), ("assistant", second))
    assert [(e.usage.input, e.delta.input) for e in of(events, TurnFinalized)] == [(250, 250), (300, 50)]
    llm = [e for e in of(events, OpFinalized) if e.op_kind == "llm"]
    assert [(e.usage.input, e.delta.input, e.context_used) for e in llm] == [(250, 250, 250), (300, 300, 300)]


def test_a_step_answers_the_prompt_before_it_also_one_that_came_in_between() -> None:
    rows = [("user", {"text": "a"}), ("assistant", step()), ("user", {"text": "b"}), ("assistant", step())]
    assert [e.prompt_id for e in of(events_of(*rows), TurnStarted)] == ["msg_0", "msg_2"]


def test_an_open_text_is_writing_until_it_has_words_or_the_answer_is_over() -> None:
    empty = {"type": "text", "text": ""}
    assert end_of(events_of(("assistant", step(empty))), "text") is None
    assert end_of(events_of(("assistant", step(TEXT))), "text").status == "completed"
    streamed = step(empty, time={"created": 1000, "streamed": 1500})
    assert end_of(events_of(("assistant", streamed)), "text").end_ts == 1_500_000
    assert end_of(events_of(("assistant", step(empty, call("running")))), "text").end_ts == 1_100_000


def test_an_open_answer_has_no_end_and_says_when_it_was_last_written() -> None:
    events = events_of(("assistant", step(THOUGHT)), updated=7000)
    assert of(events, TurnFinalized) == []
    assert end_of(events, "llm") is None
    assert one(events, TurnStarted).extras["time_updated"] == 7_000_000


@pytest.mark.parametrize(
    ("finish", "status"),
    [("stop", "completed"), ("tool-calls", "completed"), ("length", "truncated"), ("content-filter", "failed")],
)
def test_how_a_step_finished(finish: str, status: str) -> None:
    events = events_of(("assistant", step(TEXT, completed=2000, finish=finish)))
    assert end_of(events, "llm").status == status
    assert next(e for e in of(events, OpStarted) if e.op_kind == "llm").extras["finish"] == finish


def test_a_failed_step_has_its_error_and_the_tokens_that_were_billed_all_the_same() -> None:
    error = {"type": "provider.rate-limit", "message": "Slow down.", "status": 429}
    events = events_of(("assistant", step(completed=2000, tokens=70, finish="error", error=error)))
    final = one(events, TurnFinalized)
    assert (final.status, final.error_class, final.error_message) == ("failed", "provider.rate-limit", "Slow down.")
    assert final.usage.input == 70
    assert one(events, TurnStarted).extras["status_code"] == 429
    assert end_of(events, "llm").error_class == "provider.rate-limit"


def test_a_step_that_the_user_stopped_is_aborted() -> None:
    error = {"type": "aborted", "message": "Step interrupted"}
    open_text = {"type": "text", "text": ""}
    events = events_of(("assistant", step(open_text, completed=2000, finish="error", error=error)))
    assert one(events, TurnFinalized).status == "aborted"
    assert end_of(events, "llm").status == "cancelled"


def test_an_error_without_a_time_of_completion_ends_the_turn_when_the_row_was_written() -> None:
    events = events_of(("assistant", step(error={"type": "x", "message": "y"})), updated=7000)
    assert one(events, TurnFinalized).end_ts == 7_000_000


def test_a_retry_is_told_while_it_waits() -> None:
    retry = {"attempt": 2, "at": 8000, "error": {"type": "api", "message": "overloaded"}}
    events = events_of(("assistant", step(retry=retry)))
    assert [(e.severity, e.message) for e in of(events, LogEntry)] == [("INF", "retry 2: overloaded")]
    extras = one(events, TurnStarted).extras
    assert (extras["retry"], extras["retry_at"], extras["retry_error"]) == (2, 8_000_000, "overloaded")


def test_changed_files_are_a_diff_of_the_step() -> None:
    events = events_of(
        ("assistant", step(completed=2000, snapshot={"start": "a", "end": "b", "files": ["x.txt", "y"]}))
    )
    ref = one(events, PayloadRef)
    assert (ref.payload_kind, ref.preview, ref.op_seq, ref.part_id) == ("diff", "x.txt, y", 1, "msg_0:step")
    assert ref.uri.endswith("?session_message_id=msg_0&field=snapshot.files")
    assert one(events, OpStarted).extras == {"patch_hash": "b", "patch_files": 2, "finish": "stop"}


def test_numbers_out_of_range_are_clamped_and_told() -> None:
    tokens = {"input": -5, "output": 1e300, "reasoning": "x", "cache": None}
    data = step(completed=2000, tokens=0) | {"tokens": {**counters(0), "input": -5}}
    assert one(events_of(("assistant", data)), TurnFinalized).usage.input == 0
    assert "numbers out of range" in one(events_of(("assistant", data)), LogEntry).message
    told = [event.message for event in of(events_of(("assistant", step() | {"tokens": tokens})), LogEntry)]
    assert told == [
        "numbers out of range: shown as the nearest possible",
        "unexpected value: tokens.reasoning: Expected `int | float | null`, got `str`",
    ]


# -- calls


@pytest.mark.parametrize("status", ["streaming", "pending"])
def test_a_call_whose_arguments_are_being_written_is_pending(status: str) -> None:
    op = calls(events_of(("assistant", step(call(status, input='{"comm')))))[0]
    assert op.extras["phase"] == "pending"
    assert "running" not in op.extras


def test_of_a_running_call_it_is_said_that_nothing_more_will_be_written() -> None:
    events = events_of(("assistant", step(call("running", ran=1200, input={"command": "make"}, metadata={}))))
    op = calls(events)[0]
    assert (op.name, op.namespace, op.ts) == ("shell", "", 1_200_000)
    assert op.extras == {"label": "make", "phase": "running", "untold": True, "time_updated": 9_000_000}
    assert [e.uri.partition("field=")[2] for e in of(events, PayloadRef)] == ["content.0.state.input"]
    assert end_of(events, "tool") is None


@pytest.mark.parametrize("facts", ["metadata", "structured"])
def test_a_completed_call_under_either_name_of_its_metadata(facts: str) -> None:
    state = {
        "input": {"command": "make"},
        "content": [{"type": "text", "text": "über\n"}, {"type": "text", "text": "Command exited with code 3."}],
        facts: {"exit": 3, "truncated": True},
    }
    events = events_of(("assistant", step(call("completed", ran=1200, completed=1500, **state))))
    assert calls(events)[0].extras == {"label": "make", "phase": "completed", "exit": 3, "truncated": True}
    responses = [e for e in of(events, PayloadRef) if e.payload_kind == "tool_response"]
    assert [(e.uri.partition("field=")[2], e.size) for e in responses] == [
        ("content.0.state.content.0.text", 6),
        ("content.0.state.content.1.text", 27),
    ]
    end = end_of(events, "tool")
    assert (end.status, end.end_ts, end.bytes_out) == ("completed", 1_500_000, 33)


def test_what_1_18_read_from_a_file_is_in_its_metadata() -> None:
    state = {"input": {"path": "a.txt"}, "content": [], "structured": {"name": "a.txt", "content": "hello"}}
    events = events_of(("assistant", step(call("completed", "read", **state))))
    ref = next(e for e in of(events, PayloadRef) if e.payload_kind == "tool_response")
    assert (ref.uri.partition("field=")[2], ref.size) == ("content.0.state.structured.content", 5)


def test_files_that_a_tool_gives_back_are_attachments() -> None:
    content = [{"type": "file", "uri": "data:image/png;base64,AAAA", "mime": "image/png", "name": "x.png"}]
    events = events_of(("assistant", step(call("completed", "read", content=content))))
    ref = next(e for e in of(events, PayloadRef) if e.payload_kind == "attachment")
    assert (ref.format, ref.size, ref.uri.partition("field=")[2]) == ("image/png", 26, "content.0.state.content.0.uri")


def test_an_edit_tells_its_lines_and_its_diffs() -> None:
    files = [
        {"file": "a.txt", "patch": "@@ -1 +1 @@", "additions": 2, "deletions": 1, "status": "modified"},
        {"file": "b.txt", "patch": "", "additions": 1, "deletions": 0, "status": "added"},
    ]
    events = events_of(("assistant", step(call("completed", "patch", metadata={"files": files}))))
    extras = calls(events)[0].extras
    assert (extras["additions"], extras["deletions"]) == (3, 1)
    assert extras["label"] == "a.txt, b.txt"
    refs = [e for e in of(events, PayloadRef) if e.payload_kind == "diff"]
    assert [e.uri.partition("field=")[2] for e in refs] == ["content.0.state.metadata.files.0.patch"]


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        ({"type": "unknown", "message": "Unable to read x"}, "failed", "ToolError"),
        ({"type": "tool.execution", "message": "no"}, "failed", "tool.execution"),
        ({"type": "unknown", "message": "Tool execution interrupted"}, "cancelled", "Aborted"),
        ({"type": "aborted", "message": "Tool execution interrupted"}, "cancelled", "Aborted"),
        ({"type": "aborted", "message": "The user declined this tool call"}, "failed", "PermissionRejected"),
        ({"type": "x", "message": "The user dismissed this question"}, "failed", "QuestionDismissed"),
        ("plain words", "failed", "ToolError"),
        (None, "failed", "ToolError"),
    ],
)
def test_how_a_call_failed(error: Any, status: str, name: str) -> None:
    end = end_of(events_of(("assistant", step(call("error", error=error, completed=1500)))), "tool")
    assert (end.status, end.error_class) == (status, name)


def test_a_status_that_is_new_is_told_once_and_the_call_stays_open() -> None:
    events = events_of(("assistant", step(call("dreaming"))))
    assert [e.message for e in of(events, LogEntry)] == ["unknown tool status: 'dreaming'"]
    assert end_of(events, "tool") is None


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("completed", {"metadata": {"sessionID": "ses_child", "status": "completed"}}),
        ("running", {"input": {"sessionID": "ses_child", "prompt": "go on"}, "metadata": {}}),
        ("error", {"error": {"type": "unknown", "message": "Subagent failed (sessionID: ses_child): no"}}),
    ],
)
def test_a_subagent_is_a_session_op_with_its_call_below(status: str, state: dict[str, Any]) -> None:
    data = step(call(status, "subagent", **{"input": {"description": "Read it", "agent": "general"}, **state}))
    events = events_of(("assistant", data))
    session, tool = (op for op in of(events, OpStarted) if op.part_id == "msg_0:tool0")
    assert (session.op_kind, tool.op_kind, tool.parent_op_seq) == ("session", "tool", session.op_seq)
    assert session.child_session_id == tool.child_session_id == "ses_child"
    ends = [e.op_kind for e in of(events, OpFinalized)]
    assert ends == ([] if status == "running" else ["session", "tool"])


def test_a_subagent_that_has_just_begun_names_no_child_yet() -> None:
    data = step(call("running", "subagent", input={"description": "Read it", "agent": "general"}, metadata={}))
    (op,) = calls(events_of(("assistant", data)))
    assert (op.child_session_id, op.extras["label"]) == ("", "Read it")


def test_a_call_in_the_background_says_so() -> None:
    data = step(call("completed", "subagent", metadata={"sessionID": "ses_child", "status": "running"}))
    assert calls(events_of(("assistant", data)))[0].extras["background"] is True


# -- prompts, shells, compactions


def test_a_prompt_is_one_reference_and_one_for_each_file() -> None:
    files = [
        {"uri": "file:///a.txt", "mime": "text/plain", "name": "a.txt"},
        {"data": "AAAA", "mime": "image/png"},
    ]
    events = events_of(("user", {"text": " Look at ü. ", "files": files}))
    prompt, first, second = of(events, PayloadRef)
    assert (prompt.payload_kind, prompt.preview, prompt.size) == ("user_prompt", "Look at ü.", 13)
    assert prompt.extras == {"agent": "", "model": "", "attachments": 2}
    assert [(e.uri.partition("field=")[2], e.size, e.preview) for e in (first, second)] == [
        ("files.0.uri", 13, "a.txt"),
        ("files.1.data", 4, "image/png"),
    ]


@pytest.mark.parametrize(
    ("kind", "data", "preview"),
    [
        ("synthetic", {"text": "<subagent>", "description": "sub-agent done"}, "sub-agent done"),
        ("synthetic", {"text": "Go on."}, "Go on."),
        ("skill", {"name": "review", "skill": "review", "text": "How to review"}, "skill review"),
    ],
)
def test_what_opencode_says_to_the_model_itself_is_a_synthetic_prompt(
    kind: str, data: dict[str, Any], preview: str
) -> None:
    events = events_of((kind, data), ("assistant", step()))
    prompt = of(events, PayloadRef)[0]
    assert (prompt.payload_kind, prompt.preview, prompt.extras["synthetic"]) == ("user_prompt", preview, True)
    assert one(events, TurnStarted).prompt_id == "msg_0"


@pytest.mark.parametrize("output", ["a\n", {"output": "a\n", "cursor": 2, "size": 2, "truncated": False}])
def test_a_command_of_the_user_is_a_turn_with_one_call(output: Any) -> None:
    data = {"command": "ls", "status": "exited", "exit": 1, "output": output, "time": {"created": 1, "completed": 5}}
    events = events_of(("user", {"text": "x"}), ("shell", data))
    (op,) = calls(events)
    assert (op.name, op.op_seq, op.parent_op_seq, op.part_id) == ("shell", 1, -1, "msg_1:shell")
    assert op.extras == {"label": "ls", "phase": "completed", "exit": 1}
    fields = {e.payload_kind: (e.uri.partition("field=")[2], e.size) for e in of(events, PayloadRef)}
    assert fields["tool_request"] == ("command", 2)
    assert fields["tool_response"] == ("output" if isinstance(output, str) else "output.output", 2)
    assert (end_of(events, "tool").status, one(events, TurnFinalized).end_ts) == ("completed", 5000)
    assert one(events, TurnStarted).prompt_id == ""


@pytest.mark.parametrize(
    ("status", "outcome"), [("running", None), ("exited", "completed"), ("timeout", "failed"), ("killed", "cancelled")]
)
def test_how_a_command_of_the_user_ended(status: str, outcome: str | None) -> None:
    end = end_of(events_of(("shell", {"command": "ls", "status": status, "time": {"created": 1}})), "tool")
    assert (end.status if end else None) == outcome


def test_a_command_of_the_user_does_not_count_as_context() -> None:
    rows = [
        ("assistant", step(completed=2000, tokens=100)),
        ("shell", {"command": "ls", "status": "exited", "time": {"created": 1, "completed": 2}}),
        ("assistant", step(completed=2000, tokens=130)),
    ]
    assert [e.delta.input for e in of(events_of(*rows), TurnFinalized)] == [100, 0, 30]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"status": "running", "summary": ""}, None),
        ({"status": "completed", "summary": "All of it."}, "completed"),
        ({"summary": "All of it."}, "completed"),
        ({"status": "failed", "error": {"type": "compaction.failed", "message": "no"}}, "failed"),
        ({"status": "failed", "error": {"type": "aborted", "message": "Compaction cancelled"}}, "cancelled"),
    ],
)
def test_a_compaction_is_an_op_of_a_turn_of_its_own(data: dict[str, Any], status: str | None) -> None:
    events = events_of(("compaction", {"reason": "auto", "time": {"created": 1}, **data}))
    op = one(events, OpStarted)
    assert (op.op_kind, op.part_id) == ("compaction", "msg_0")
    assert (one(events, TurnStarted).extras["summary"], one(events, TurnStarted).agent) == (True, "compaction")
    assert [e.message for e in of(events, LogEntry)] == ["compaction: the context was nearly full"]
    end = end_of(events, "compaction")
    assert (end.status if end else None) == status
    assert [e.payload_kind for e in of(events, PayloadRef)] == (["llm_response"] if data.get("summary") else [])


# -- remarks and ends


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("agent-switched", {"agent": "plan"}, "agent: plan"),
        ("model-switched", {"model": {"id": "m", "providerID": "p"}}, "model: p/m"),
        ("location-switched", {"location": {"directory": "/other"}}, "moved to /other"),
        ("system", {"text": "long", "description": "Instructions updated: a"}, "system: Instructions updated: a"),
        ("context", {"text": "long"}, "system: long"),
    ],
)
def test_what_changed_in_between_is_a_remark(kind: str, data: dict[str, Any], words: str) -> None:
    entry = one(events_of((kind, data)), LogEntry)
    assert (entry.severity, entry.message, entry.ref) == ("INF", words, "msg_0")


def failure(*rows: tuple[str, Any]) -> str:
    """The error class of a session that ended in failure, "" of one that did not."""
    return "".join(event.error_class for event in of(events_of(*rows), SessionFinalized))


def test_the_session_ended_as_its_last_step_did_and_where_that_says_nothing_as_its_idle_mark() -> None:
    good, bad = step(completed=2000), step(completed=2000, error={"type": "api", "message": "no"})
    idle = {outcome: ("idle", {"outcome": outcome, "time": {"created": 5}}) for outcome in ("succeeded", "failed")}
    stopped = ("idle", {"outcome": "interrupted", "time": {"created": 5}})
    found = {
        "clean": failure(("assistant", good), idle["succeeded"]),
        "error": failure(("assistant", bad), idle["failed"]),
        "mark": failure(("assistant", good), idle["failed"]),
        "stop": failure(("assistant", good), stopped),
        "over": failure(("assistant", bad), idle["failed"], ("assistant", good), idle["succeeded"]),
        "alone": failure(("user", {"text": "x"}), ("idle", {"outcome": "failed", "error": {"type": "no-model"}})),
    }
    assert found == {
        "clean": "",
        "error": "api",
        "mark": "failed",
        "stop": "aborted",
        "over": "",
        "alone": "no-model",
    }


def test_each_thing_that_is_not_understood_is_told_once_and_hides_nothing_else() -> None:
    rows = [
        ("assistant", step({"type": "hologram"}, {"type": "text", "text": 5}, TEXT, completed=2000)),
        ("telepathy", {}),
        ("user", "{broken"),
        ("assistant", ""),
        ("user", {"text": ["not a text"]}),
        ("user", {"text": "fine"}),
    ]
    events = events_of(*rows)
    assert [e.message.partition(":")[0] for e in of(events, LogEntry)] == [
        "unknown content type",
        "unexpected value",
        "unknown session_message type",
        "broken JSON",
        "empty data",
        "unexpected value",
    ]
    assert {e.severity for e in of(events, LogEntry)} == {"WRN"}
    assert [op.op_kind for op in of(events, OpStarted)] == ["llm", "text", "text"]
    previews = [e.preview for e in of(events, PayloadRef) if e.payload_kind == "user_prompt"]
    assert previews == ['["not a text"]', "fine"]


def test_a_text_that_was_cut_inside_an_emoji_is_read() -> None:
    row = '{"text":"cut \\ud83d","time":{"created":1}}'
    assert one(events_of(("user", row)), PayloadRef).preview == "cut ?"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["time", "created", "completed", "text", "content", "type", "state", "status", "input", "metadata", "files",
         "error", "message", "model", "id", "output", "snapshot", "retry", "tokens", "cost", "summary", "exit"]
    ), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
KINDS = ["user", "synthetic", "system", "skill", "shell", "assistant", "compaction", "model-switched", "idle", "new"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), JSON, JSON)
def test_nothing_that_a_row_may_hold_raises(kind: str, data: Any, item: Any) -> None:
    if isinstance(data, dict):
        data["content"] = [item, {"type": "tool", "state": item}, {"type": "text", "text": item}]
    assert [e for e in events_of((kind, data), ("user", {"text": "fine"})) if getattr(e, "preview", "") == "fine"]


# -- what a dead server left


def test_a_step_that_a_dead_server_left_is_aborted_and_nobody_knows_when() -> None:
    swept = call(
        "error",
        created=1100,
        ran=1150,
        completed=8000,
        input={"command": "sleep 45"},
        error={"type": "aborted", "message": "Tool execution interrupted: shell"},
    )
    left = step(THOUGHT, TEXT, swept)
    left["time"]["completed"] = 9000
    events = events_of(("assistant", left), ("user", {"text": "Go on."}), ("assistant", step(TEXT, created=9000)))
    turn = one(events, TurnFinalized)
    assert (turn.status, turn.error_class, turn.end_ts, turn.ts) == ("aborted", "aborted", 0, 1_150_000)
    ends = {event.op_kind: event for event in of(events, OpFinalized) if event.message_id == "msg_0"}
    assert {kind: (end.status, end.end_ts) for kind, end in ends.items()} == {
        "llm": ("cancelled", 0),
        "reasoning": ("completed", 1_090_000),
        "text": ("completed", 1_100_000),
        "tool": ("cancelled", 0),
    }
    assert ends["tool"].error_message == "Tool execution interrupted: shell"


def test_a_step_that_the_user_stopped_ends_when_it_says() -> None:
    stopped = call(
        "error", ran=1150, completed=8000, error={"type": "aborted", "message": "Tool execution interrupted"}
    )
    error = {"type": "aborted", "message": "Step interrupted"}
    data = step(stopped, completed=9000, tokens=10, finish="error", error=error)
    events = events_of(("assistant", data))
    assert (one(events, TurnFinalized).status, one(events, TurnFinalized).end_ts) == ("aborted", 9_000_000)
    assert end_of(events, "tool").end_ts == 8_000_000


def test_what_a_left_step_added_to_the_context_is_not_taken_for_nothing() -> None:
    left = step(TEXT)
    left["time"]["completed"] = 9000
    done = [step(TEXT, created=at, completed=at + 1, tokens=tokens) for at, tokens in ((1000, 100), (9000, 130))]
    events = events_of(("assistant", done[0]), ("assistant", left), ("assistant", done[1]))
    assert [event.delta.input for event in of(events, TurnFinalized)] == [100, 0, 30]
