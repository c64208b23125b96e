"""Parts of an answer: steps, texts, tools, sub-agents, and how each of them ends."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.events import Event, LogEntry, OpFinalized, OpStarted, PayloadRef
from adapter.opencode.rows import RawRow
from adapter.opencode.tools import BY_NAME, namespace_of
from adapter.opencode.v1.mapping import map_message
from adapter.opencode.v1.rows import AssistantMessage, decode_message
from adapter.opencode.v2.mapping import map_session_message
from adapter.opencode.v2.rows import Assistant, decode_session_message
from tests.adapter.opencode_writer import tool
from tests.adapter.rows import SOURCE, events_of, part_row

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


def test_a_patch_has_the_diffs_of_its_files_where_there_is_none_of_all() -> None:
    files = [
        {"filePath": "/p/a.py", "relativePath": "a.py", "patch": "@@ -1 +1 @@\n", "additions": 1},
        "odd",
        {"filePath": "/p/b.py", "patch": "", "additions": 1},
        {"filePath": "/p/c.py", "patch": "@@ -2 +2 @@\n-ä", "additions": 1},
    ]
    events = events_of(OPEN, [tool("completed", "apply_patch", input={}, metadata={"files": files})])
    found = [event for event in events if isinstance(event, PayloadRef) and event.payload_kind == "diff"]
    assert [(one.uri.partition("field=")[2], one.size, one.format, one.preview) for one in found] == [
        ("state.metadata.files.0.patch", 12, "diff", "a.py"),
        ("state.metadata.files.3.patch", 15, "diff", "/p/c.py"),
    ]
    edit = {"filediff": {"file": "/p/a.py", "patch": "@@ -1 +1 @@\n"}}
    events = events_of(OPEN, [tool("completed", "edit", input={}, metadata=edit)])
    assert refs(events)["diff"].uri.endswith("field=state.metadata.filediff.patch")
    both = {"diff": "--- a\n", "files": files, **edit}
    events = events_of(OPEN, [tool("completed", "edit", input={}, metadata=both)])
    found = [event for event in events if isinstance(event, PayloadRef) and event.payload_kind == "diff"]
    assert [one.uri.partition("field=")[2] for one in found] == ["state.metadata.diff"]


PATCHED = {"files": [{"filePath": "/p/a.py", "relativePath": "a.py", "additions": 2, "deletions": 1}]}
ABOUT: list[tuple[str, dict[str, Any], str]] = [
    ("bash", {"input": {"command": "make -j"}}, "make -j"),
    ("shell", {"input": {"command": "make -j"}}, "make -j"),
    ("read", {"input": {"filePath": "/x/a"}, "title": "a"}, "a"),
    ("edit", {"input": {"filePath": "/x/a", "oldString": "b"}, "title": "a"}, "a"),
    ("multiedit", {"input": {"filePath": "/x/a", "edits": []}}, "/x/a"),
    ("write", {"input": {"filePath": "/x/a", "content": "b"}}, "/x/a"),
    ("apply_patch", {"input": {"patchText": "*** Begin"}, "metadata": PATCHED}, "a.py"),
    ("patch", {"input": {"patchText": "*** Begin"}, "title": "1 file"}, "1 file"),
    ("glob", {"input": {"pattern": "*.py", "path": "/x"}}, "*.py"),
    ("grep", {"input": {"pattern": "foo", "path": "/x", "include": "*.c"}}, "foo"),
    ("list", {"input": {"path": "/x"}}, "/x"),
    ("task", {"input": {"description": "Look around", "prompt": "Go."}}, "Look around"),
    ("subagent", {"input": {"description": "Look around", "prompt": "Go."}}, "Look around"),
    ("todowrite", {"input": {"todos": [{"content": "b", "status": "in_progress"}]}}, "b"),
    ("todoread", {"input": {}, "title": "2 todos"}, "2 todos"),
    ("webfetch", {"input": {"url": "http://127.0.0.1/", "format": "text"}}, "http://127.0.0.1/"),
    ("websearch", {"input": {"query": "why", "numResults": 3}}, "why"),
    ("codesearch", {"input": {"query": "how"}}, "how"),
    ("skill", {"input": {"name": "pdf"}}, "pdf"),
    ("question", {"input": {"questions": [{"question": "Which?", "header": "Choice"}]}}, "Which?"),
    ("plan_exit", {"input": {}, "title": "Switching to build"}, "Switching to build"),
    ("plan_enter", {"input": {}, "title": "Planning"}, "Planning"),
    ("lsp", {"input": {"operation": "hover", "filePath": "/x/a", "line": 3}}, "hover"),
    ("execute", {"input": {"code": "print(1)"}}, "print(1)"),
    ("batch", {"input": {"tool_calls": []}, "title": "Batch (2 calls)"}, "Batch (2 calls)"),
    ("invalid", {"input": {"tool": "no_such", "error": "unknown"}}, "no_such"),
    ("StructuredOutput", {"input": {"answer": "42"}}, "42"),
    ("list_mcp_resources", {"input": {"server": "docs"}}, "docs"),
    ("list_mcp_resource_templates", {"input": {"server": "docs"}}, "docs"),
    ("read_mcp_resource", {"input": {"server": "docs", "uri": "docs://a"}}, "docs://a"),
    ("server_search", {"input": {"query": "q"}}, "q"),
    ("server_odd", {"input": {"n": 1, "words": "w"}}, "w"),
    ("bash", {"input": "not an object"}, ""),
    ("question", {"input": {"questions": "odd"}}, ""),
    ("todowrite", {"input": {"todos": [1, None]}}, ""),
]


@pytest.mark.parametrize(("name", "state", "label"), ABOUT)
def test_a_call_is_named_by_what_it_is_about(name: str, state: dict[str, Any], label: str) -> None:
    (start,) = starts(events_of(OPEN, [tool("completed", name, **state)]))
    assert (start.extras["label"], start.name) == (label, name)
    assert start.namespace == ""


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (
            "/home/me/.local/share/opencode/tool-output/tool_2022eea25001l60tgvE3TO9Wbp",
            "tool_2022eea25001l60tgvE3TO9Wbp",
        ),
        ("C:\\Users\\me\\.local\\share\\opencode\\tool-output\\tool_2022eea", "tool_2022eea"),
        ("/etc/shadow", None),
        ("/data/tool-output/tool_a/../../../etc/shadow", None),
        ("/data/tool-output/../tool_a", None),
        ("/data/tool-output/tool_", None),
        ("/data/tool-output/tool_a\n", None),
        ({"odd": 1}, None),
    ],
)
def test_an_output_that_was_cut_says_the_file_that_has_all_of_it(path: object, name: str | None) -> None:
    metadata = {"truncated": True, "outputPath": path}
    (start,) = starts(events_of(OPEN, [tool("completed", "bash", metadata=metadata)]))
    assert start.extras["truncated"]
    assert start.extras.get("saved_output") == name


@pytest.mark.parametrize(
    ("name", "tool"),
    [("bash", "bash"), ("shell", "bash"), ("subagent", "task"), ("patch", "apply_patch"), ("look_at", "look_at")],
)
def test_a_call_says_its_own_name_and_one_that_all_versions_share(name: str, tool: str) -> None:
    part = {"type": "tool", "tool": name, "state": {"status": "running", "input": {"description": "d"}}}
    (start,) = starts(events_of(OPEN, [part]))
    assert (start.name, start.tool) == (name, tool)


def test_every_tool_that_opencode_brings_is_among_them() -> None:
    assert {name for name, _, _ in ABOUT} >= BY_NAME.keys()


SERVERS = frozenset({"my_db", "my", "git hub.com", "read", "x-1"})


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        ("my_db_query", "my_db"),
        ("my_other", "my"),
        ("git_hub_com_create_issue", "git_hub_com"),
        ("x-1_y", "x-1"),
        ("read_mcp_resource", ""),
        ("read_file", "read"),
        ("look_at", ""),
        ("math_add", ""),
        ("my_db_", "my"),
        ("bash", ""),
        ("plain", ""),
        ("_x", ""),
    ],
)
def test_a_server_is_named_only_where_it_is_configured_and_the_longest_wins(name: str, namespace: str) -> None:
    assert namespace_of(name, SERVERS) == namespace
    assert namespace_of(name, frozenset()) == ""


def test_the_configured_servers_reach_the_calls_of_both_families() -> None:
    row, servers = RawRow("msg_1", "msg_1", "ses_1", 1, 1), frozenset({"my_db"})
    message = decode_message('{"role":"assistant"}')
    assert isinstance(message, AssistantMessage)
    parts = [part_row("prt_1", tool("running", "my_db_query"))]
    old = map_message(SOURCE, row, message, parts, 1, None, servers).groups
    answer = decode_session_message("assistant", '{"content":[{"type":"tool","name":"my_db_query"}]}')
    assert isinstance(answer, Assistant)
    new = map_session_message(SOURCE, row, answer, 1, None, "", servers).groups
    for groups in (old, new):
        calls = [op for group in groups.values() for op in starts(group) if op.op_kind == "tool"]
        assert [(op.name, op.namespace) for op in calls] == [("my_db_query", "my_db")]


def test_todos_are_counted() -> None:
    todos = [{"status": "completed"}, {"status": "cancelled"}, {"status": "pending"}]
    events = events_of(OPEN, [tool("completed", "todowrite", input={"todos": todos})])
    extras = starts(events)[0].extras
    assert (extras["todos"], extras["todos_cancelled"]) == ([1, 3], 1)
    events = events_of(OPEN, [tool("completed", "todowrite", input={"todos": todos[::2]})])
    extras = starts(events)[0].extras
    assert (extras["todos"], "todos_cancelled" in extras) == ([1, 2], False)


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


@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        ("call_omo_agent", {"sessionId": "ses_2"}),
        ("delegate_task", {"sessionID": "ses_2"}),
        ("background_task", {"sessionId": "pending", "metadata": {"sessionId": "ses_2"}}),
    ],
)
def test_any_tool_that_names_a_session_is_a_session_op_above_the_tool_op(name: str, metadata: dict[str, Any]) -> None:
    session, call = starts(events_of(OPEN, [tool("running", name, input={"prompt": "Go."}, metadata=metadata)]))
    assert (session.op_kind, session.name, session.tool, call.op_kind, call.name) == (
        "session",
        "Go.",
        name,
        "tool",
        name,
    )
    assert session.child_session_id == call.child_session_id == "ses_2"


@pytest.mark.parametrize("named", ["pending", "", "ses_", "msg_2", "ses_1", 42, None, ["ses_2"], {"id": "ses_2"}])
def test_a_name_that_is_no_other_session_starts_none(named: Any) -> None:
    """`ses_1` is the session that the call is made in: plugins like to note it."""
    events = events_of(OPEN, [tool("running", "bash", metadata={"sessionId": named, "metadata": named})])
    assert [(op.op_kind, op.child_session_id) for op in starts(events)] == [("tool", "")]
    assert not [event for event in events if isinstance(event, LogEntry)]


def test_both_ops_of_a_task_end_with_it_also_in_the_background() -> None:
    state = {"metadata": {"sessionId": "ses_2", "background": True}, "output": "later"}
    events = events_of(OPEN, [tool("completed", "task", **state)])
    assert {kind: end.status for (_, kind), end in ends(events).items()} == {
        "session": "completed",
        "tool": "completed",
    }
    assert starts(events)[0].extras["background"] is True


def test_a_sub_agent_that_is_resumed_is_named_by_both_calls() -> None:
    """The second call gives `task_id`; it may come in a later turn."""
    first = tool("completed", "task", input={"description": "Look"}, metadata={"sessionId": "ses_2"})
    again = tool("running", "task", input={"description": "More", "task_id": "ses_2"}, metadata={"sessionId": "ses_2"})
    sessions = [op for op in starts(events_of(OPEN, [first, again])) if op.op_kind == "session"]
    assert [(op.part_id, op.name, op.child_session_id) for op in sessions] == [
        ("msg_1_0", "Look", "ses_2"),
        ("msg_1_1", "More", "ses_2"),
    ]


def test_sub_agents_of_one_step_are_side_by_side() -> None:
    calls = [tool("running", "task", metadata={"sessionId": f"ses_{n}"}) for n in (2, 3)]
    started = starts(events_of(OPEN, [START, *calls]))
    assert [(op.op_kind, op.parent_op_seq, op.child_session_id) for op in started[1:]] == [
        ("session", 1, "ses_2"),
        ("tool", 2, "ses_2"),
        ("session", 1, "ses_3"),
        ("tool", 4, "ses_3"),
    ]


def test_a_sub_agent_that_failed_fails_both_ops_with_its_words() -> None:
    error = "Subagent failed (task_id: ses_2): no such model"
    events = events_of(OPEN, [tool("error", "task", error=error, metadata={"sessionId": "ses_2"})])
    assert {kind: (end.status, end.error_message) for (_, kind), end in ends(events).items()} == {
        "session": ("failed", error),
        "tool": ("failed", error),
    }


def test_an_output_that_was_pruned_is_still_referred_to() -> None:
    """opencode marks it with a time and leaves the text in the row (config `compaction.prune`)."""
    state = {"output": "long", "time": {"start": 1, "end": 2, "compacted": 3}}
    events = events_of(OPEN, [tool("completed", **state)])
    assert (refs(events)["tool_response"].size, ends(events)["msg_1_0", "tool"].end_ts) == (4, 2000)
