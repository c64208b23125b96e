"""Parts of an answer: steps, texts, tools, sub-agents, and how each of them ends."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.events import Event, LogEntry, OpFinalized, OpStarted, PayloadRef
from tests.adapter.opencode_writer import tool
from tests.adapter.rows import events_of

DONE = {"role": "assistant", "time": {"completed": 99}}
OPEN = {"role": "assistant"}
START = {"type": "step-start"}


def starts(events: list[Event]) -> list[OpStarted]:
    return [event for event in events if isinstance(event, OpStarted)]


def ends(events: list[Event]) -> dict[tuple[str, str], OpFinalized]:
    return {(event.part_id, event.op_kind): event for event in events if isinstance(event, OpFinalized)}


def refs(events: list[Event]) -> dict[str, PayloadRef]:
    return {event.payload_kind: event for event in events if isinstance(event, PayloadRef)}


# -- steps


def test_a_step_alone_is_running() -> None:
    events = events_of(OPEN, [START])
    assert [event.op_kind for event in starts(events)] == ["llm"]
    assert ends(events) == {}


def test_a_second_step_cancels_an_orphan() -> None:
    events = events_of(OPEN, [START, START])
    assert [(key, end.status) for key, end in ends(events).items()] == [(("msg_1_0", "llm"), "cancelled")]


@pytest.mark.parametrize(
    ("reason", "status"),
    [("stop", "completed"), ("tool-calls", "completed"), ("length", "truncated"), ("content-filter", "failed"),
     ("error", "failed"), ("unknown", "completed")],
)  # fmt: skip
def test_the_reason_of_a_finish_is_its_status(reason: str, status: str) -> None:
    events = events_of(OPEN, [START, {"type": "step-finish", "reason": reason}])
    assert ends(events)["msg_1_0", "llm"].status == status
    assert starts(events)[0].extras["finish"] == reason


def test_a_finish_without_a_start_is_a_step_of_its_own() -> None:
    events = events_of(OPEN, [{"type": "step-finish", "reason": "stop", "tokens": {"input": 5}}])
    assert ends(events)["msg_1_0", "llm"].usage.input == 5


def test_a_turn_that_ended_without_a_finish_was_cut_short() -> None:
    assert ends(events_of(DONE, [START]))["msg_1_0", "llm"].status == "cancelled"


def test_what_happens_in_a_step_hangs_under_it() -> None:
    parts = [
        START,
        {"type": "reasoning", "text": "r"},
        {"type": "text", "text": "t"},
        tool("running"),
        START,
        tool("running"),
    ]
    assert [(event.op_kind, event.parent_op_seq) for event in starts(events_of(OPEN, parts))] == [
        ("llm", -1),
        ("reasoning", 1),
        ("text", 1),
        ("tool", 1),
        ("llm", -1),
        ("tool", 5),
    ]


def test_a_patch_is_told_by_its_step_and_has_a_diff() -> None:
    events = events_of(OPEN, [START, {"type": "patch", "hash": "abc", "files": ["a.py", "b.py"]}])
    assert starts(events)[0].extras == {"patch_hash": "abc", "patch_files": 2}
    assert (refs(events)["diff"].preview, refs(events)["diff"].op_seq) == ("a.py, b.py", 1)


def test_a_retry_is_a_warning() -> None:
    part = {"type": "retry", "attempt": 2, "error": {"name": "APIError", "data": {"message": "overloaded"}}}
    (remark,) = [event for event in events_of(OPEN, [part]) if isinstance(event, LogEntry)]
    assert (remark.severity, remark.message) == ("WRN", "retry 2: overloaded")


@pytest.mark.parametrize("kind", ["snapshot", "agent", "subtask"])
def test_known_parts_without_a_picture_are_no_warning(kind: str) -> None:
    assert not [event for event in events_of(OPEN, [{"type": kind}]) if isinstance(event, LogEntry | OpStarted)]


# -- texts


@pytest.mark.parametrize(("kind", "payload"), [("text", "llm_response"), ("reasoning", "llm_reasoning")])
def test_an_empty_text_says_that_the_model_is_writing(kind: str, payload: str) -> None:
    events = events_of(OPEN, [{"type": kind, "text": "", "time": {"start": 5}}])
    assert [(event.op_kind, event.ts) for event in starts(events)] == [(kind, 5000)]
    assert (ends(events), refs(events)) == ({}, {})
    events = events_of(OPEN, [{"type": kind, "text": "Grüße", "time": {"start": 5, "end": 8}}])
    end = ends(events)["msg_1_0", kind]
    assert (end.status, end.end_ts, end.bytes_out) == ("completed", 8000, 7)
    assert (refs(events)[payload].size, refs(events)[payload].format) == (7, "markdown")
    assert starts(events)[0].extras["label"] == "Grüße"


@pytest.mark.parametrize(("metadata", "kind"), [({"summary": "s"}, "summary"), ({}, "raw"), (None, "raw"), (7, "raw")])
def test_reasoning_is_raw_or_a_summary(metadata: Any, kind: str) -> None:
    part = {"type": "reasoning", "text": "r", "metadata": metadata}
    assert starts(events_of(OPEN, [part]))[0].reasoning_kind == kind


def test_a_text_without_times_is_complete_when_its_turn_is() -> None:
    assert ends(events_of(DONE, [{"type": "text", "text": "t"}]))["msg_1_0", "text"].status == "completed"
    assert ends(events_of(OPEN, [{"type": "text", "text": "t"}])) == {}


def test_a_label_is_short_and_verbatim() -> None:
    text = "\x1b[31m[bold]" + "x" * 9000
    label = starts(events_of(OPEN, [{"type": "text", "text": text}]))[0].extras["label"]
    assert label == text[:240]


# -- tools


@pytest.mark.parametrize("status", ["pending", "running"])
def test_a_call_that_has_not_ended_has_a_start_only(status: str) -> None:
    events = events_of(OPEN, [tool(status, input={"command": "make"})])
    assert starts(events)[0].extras["phase"] == status
    assert ends(events) == {}
    assert set(refs(events)) == {"tool_request"}


def test_a_completed_call_tells_its_bytes_and_payloads() -> None:
    state = {"input": {"command": "ls"}, "output": "é\n", "title": "List", "time": {"start": 3, "end": 4}}
    events = events_of(OPEN, [tool("completed", **state)])
    end = ends(events)["msg_1_0", "tool"]
    assert (end.status, end.end_ts, end.bytes_out, end.bytes_in) == ("completed", 4000, 3, len('{"command": "ls"}'))
    assert refs(events)["tool_response"].size == 3
    assert starts(events)[0].extras["title"] == "List"


def test_without_input_or_output_there_is_nothing_to_refer_to() -> None:
    part = {"type": "tool", "tool": "x", "state": {"status": "completed", "input": None, "output": ""}}
    assert refs(events_of(OPEN, [part])) == {}


@pytest.mark.parametrize(
    ("error", "metadata", "status", "name"),
    [
        ("File not found", {}, "failed", "ToolError"),
        ("The user rejected permission to use this specific tool call.", {}, "failed", "PermissionRejected"),
        ("The user dismissed this question", {}, "failed", "QuestionDismissed"),
        ("Tool execution aborted", {"interrupted": True}, "cancelled", "Aborted"),
        ("Task cancelled", {}, "cancelled", "Aborted"),
        ("Cancelled", {}, "cancelled", "Aborted"),
        ("", {}, "failed", "ToolError"),
    ],
)
def test_an_error_is_failed_or_cancelled_with_its_words(
    error: str, metadata: dict[str, Any], status: str, name: str
) -> None:
    end = ends(events_of(OPEN, [tool("error", "read", error=error, metadata=metadata)]))["msg_1_0", "tool"]
    assert (end.status, end.error_class, end.error_message) == (status, name, error)


@pytest.mark.parametrize(
    ("code", "output", "status"),
    [(0, "", "completed"), (3, "failed", "completed"), (None, "x\nUser aborted the command", "cancelled"),
     (None, "timed out", "completed")],
)  # fmt: skip
def test_a_bash_that_was_aborted_is_completed_in_the_file_and_cancelled_here(
    code: int | None, output: str, status: str
) -> None:
    events = events_of(OPEN, [tool("completed", output=output, metadata={"exit": code})])
    assert ends(events)["msg_1_0", "tool"].status == status
    assert starts(events)[0].extras["exit"] == code


def test_a_bash_runs_when_it_has_output_metadata() -> None:
    waiting = starts(events_of(OPEN, [tool("running")]))[0].extras
    assert "running" not in waiting
    events = events_of(OPEN, [tool("running", metadata={"output": "so far"})])
    assert (starts(events)[0].extras["running"], starts(events)[0].extras["output_bytes"]) == (True, 6)
    assert refs(events)["tool_response"].uri.endswith("field=state.metadata.output")


def test_an_edit_tells_its_lines_and_its_diff() -> None:
    metadata = {"diff": "--- a\n+++ b\n", "filediff": {"additions": 3, "deletions": 1}}
    state = {"input": {"filePath": "/p/a.py"}, "title": "a.py", "metadata": metadata}
    events = events_of(OPEN, [tool("completed", "edit", **state)])
    told = starts(events)[0].extras
    assert (told["label"], told["additions"], told["deletions"]) == ("a.py", 3, 1)
    assert (refs(events)["diff"].size, refs(events)["diff"].format) == (12, "diff")


@pytest.mark.parametrize(
    ("name", "state", "label"),
    [
        ("bash", {"input": {"command": "make -j"}}, "make -j"),
        ("read", {"input": {"filePath": "/x/a"}, "title": "a"}, "a"),
        ("grep", {"input": {"pattern": "foo", "path": "/x"}}, "foo"),
        ("webfetch", {"input": {"url": "http://127.0.0.1/"}}, "http://127.0.0.1/"),
        ("todowrite", {"input": {"todos": [{"content": "b", "status": "in_progress"}]}}, "b"),
        ("question", {"input": {"questions": [{"question": "Which?"}]}}, "Which?"),
        ("task", {"input": {"description": "Look around"}}, "Look around"),
        ("server_search", {"input": {"query": "q"}}, "q"),
        ("server_odd", {"input": {"n": 1, "words": "w"}}, "w"),
        ("bash", {"input": "not an object"}, ""),
        ("question", {"input": {"questions": "odd"}}, ""),
        ("todowrite", {"input": {"todos": [1, None]}}, ""),
    ],
)
def test_a_call_is_named_by_what_it_is_about(name: str, state: dict[str, Any], label: str) -> None:
    assert starts(events_of(OPEN, [tool("completed", name, **state)]))[0].extras["label"] == label


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        ("bash", ""),
        ("apply_patch", ""),
        ("plan_exit", ""),
        ("github_create_issue", "github"),
        ("plain", ""),
        ("_x", ""),
    ],
)
def test_only_tools_of_a_server_have_a_namespace(name: str, namespace: str) -> None:
    assert starts(events_of(OPEN, [tool("running", name)]))[0].namespace == namespace


def test_todos_are_counted() -> None:
    todos = [{"status": "completed"}, {"status": "cancelled"}, {"status": "pending"}]
    events = events_of(OPEN, [tool("completed", "todowrite", input={"todos": todos})])
    assert starts(events)[0].extras["todos"] == [2, 3]


def test_pictures_of_a_tool_are_attachments() -> None:
    attachments = [{"mime": "image/png", "url": "data:"}, "odd", {"mime": 7}]
    events = events_of(OPEN, [tool("completed", "read", attachments=attachments)])
    found = [event for event in events if isinstance(event, PayloadRef) and event.payload_kind == "attachment"]
    assert [event.format for event in found] == ["image/png", "", ""]
    assert "field=state.attachments.1.url" in found[1].uri


def test_an_unknown_status_is_a_warning_and_stays_open() -> None:
    events = events_of(OPEN, [tool("paused")])
    assert [event.message for event in events if isinstance(event, LogEntry)] == ["unknown tool status: 'paused'"]
    assert ends(events) == {}


# -- sub-agents


def test_a_task_that_names_its_child_is_a_session_op_above_the_tool_op() -> None:
    state = {"input": {"description": "Look"}, "metadata": {"sessionId": "ses_2"}}
    session, call = starts(events_of(OPEN, [START, tool("running", "task", **state)]))[1:]
    assert (session.op_kind, session.op_seq, session.parent_op_seq, session.name) == ("session", 2, 1, "Look")
    assert (call.op_kind, call.op_seq, call.parent_op_seq, call.name) == ("tool", 3, 2, "task")
    assert session.child_session_id == call.child_session_id == "ses_2"


@pytest.mark.parametrize("metadata", [{}, {"sessionId": 7}, {"sessionId": ""}, None, [1]])
def test_a_task_without_a_child_yet_is_a_tool_only(metadata: Any) -> None:
    assert [op.op_kind for op in starts(events_of(OPEN, [tool("running", "task", metadata=metadata)]))] == ["tool"]


def test_another_tool_with_a_session_id_starts_no_session() -> None:
    events = events_of(OPEN, [tool("running", "bash", metadata={"sessionId": "ses_2"})])
    assert [op.op_kind for op in starts(events)] == ["tool"]


def test_both_ops_of_a_task_end_with_it_also_in_the_background() -> None:
    state = {"metadata": {"sessionId": "ses_2", "background": True}, "output": "later"}
    events = events_of(OPEN, [tool("completed", "task", **state)])
    assert {kind: end.status for (_, kind), end in ends(events).items()} == {
        "session": "completed",
        "tool": "completed",
    }
    assert starts(events)[0].extras["background"] is True
