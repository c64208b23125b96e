"""What each scenario of the corpus is about, by its fields: what opencode 1.18.33 really left in its file."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.events import LogEntry, OpFinalized, OpStarted, PayloadRef, SessionStarted, TurnFinalized, TurnStarted
from tests.adapter import corpus

Ends = dict[tuple[str, str, str], OpFinalized]


def of(name: str, kind: type[Any]) -> list[Any]:
    return corpus.load(f"1.18.33/{name}").of(kind)


def ops(name: str, *kinds: str) -> list[tuple[str, str, str]]:
    """Name, label and status ("" while open) of the ops of these kinds."""
    ends = {(e.message_id, e.part_id, e.op_kind): e.status for e in of(name, OpFinalized)}
    return [
        (op.name, op.extras.get("label", ""), ends.get((op.message_id, op.part_id, op.op_kind), ""))
        for op in of(name, OpStarted)
        if op.op_kind in kinds
    ]


def turns(name: str) -> list[tuple[str, str, str]]:
    """Status, error and finish of each turn that has ended."""
    return [(end.status, end.error_class, end.finish) for end in of(name, TurnFinalized)]


def prompts(name: str) -> list[Any]:
    return [ref for ref in of(name, PayloadRef) if ref.payload_kind == "user_prompt"]


def test_the_users_own_command_is_a_synthetic_prompt_and_a_call_without_a_step() -> None:
    prompt = prompts("shell")[0]
    assert (prompt.preview, prompt.extras["synthetic"]) == ("The following tool was executed by the user", True)
    (turn,) = [turn for turn in of("shell", TurnStarted) if turn.prompt_id == prompt.message_id]
    (op,) = [op for op in of("shell", OpStarted) if op.message_id == turn.message_id]
    assert (op.op_kind, op.name, op.parent_op_seq, op.extras["label"]) == ("tool", "bash", -1, "echo from the user; ls")


def test_a_command_that_is_a_subtask_starts_a_sub_agent_without_a_step_of_its_own() -> None:
    (prompt,) = [prompt for prompt in prompts("shell") if prompt.extras.get("subtask")]
    assert prompt.preview == "/labsub As a sub-task"
    (turn,) = [turn for turn in of("shell", TurnStarted) if turn.prompt_id == prompt.message_id]
    started = [op for op in of("shell", OpStarted) if op.message_id == turn.message_id]
    assert [(op.op_kind, op.parent_op_seq) for op in started] == [("session", -1), ("tool", 1)]
    (child,) = [session for session in of("shell", SessionStarted) if session.parent_id]
    assert started[0].child_session_id == child.session_id


def test_a_prompt_that_waits_for_its_turn_has_no_answer_yet() -> None:
    answered = {turn.prompt_id for turn in of("shell", TurnStarted)}
    assert [prompt.preview for prompt in prompts("shell") if prompt.message_id not in answered] == ["lab:plain"]


def test_structured_output_that_is_none_fails_its_turn() -> None:
    assert turns("structured") == [("failed", "StructuredOutputError", "stop"), ("completed", "", "stop")]


def test_attachments_and_what_opencode_read_of_them_belong_to_the_prompt() -> None:
    first = prompts("attach")[0]
    assert (first.preview, first.extras["attachments"]) == ('"lab:attach look at these"', 2)
    mine = [ref for ref in of("attach", PayloadRef) if ref.message_id == first.message_id and ref is not first]
    files = [(ref.format, ref.preview) for ref in mine if "synthetic" not in ref.extras]
    assert files == [("text/plain", "hello.txt"), ("image/png", "picture.png")]
    assert sum(ref.extras.get("synthetic", False) for ref in mine) == 4
    remarks = [entry.message for entry in of("attach", LogEntry)]
    assert remarks[:2] == ["attachment hello.txt", "attachment picture.png"]


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("abort-int", []),
        ("abort-kill9", []),
        ("tool-int", [("bash", "echo started; sleep 45; echo finished", "")]),
        ("tool-kill9", [("bash", "echo started; sleep 45; echo finished", "")]),
        ("retry-kill9", []),
    ],
)
def test_a_process_that_is_gone_leaves_everything_open(name: str, calls: list[tuple[str, str, str]]) -> None:
    assert (turns(name), ops(name, "tool")) == ([], calls)
    assert len(of(name, TurnStarted)) == 1


def test_a_session_goes_on_behind_what_a_killed_process_left() -> None:
    assert turns("killed-then-on") == [("completed", "", "stop")]
    assert [turn.turn_seq for turn in of("killed-then-on", TurnStarted)] == [1, 2]
    assert [status for _, _, status in ops("killed-then-on", "llm")] == ["", "completed"]


def test_a_killed_sub_agent_stays_open_in_both_sessions() -> None:
    assert ops("task-kill9", "session", "tool") == [
        ("Slow work", "Slow work", ""),
        ("task", "Slow work", ""),
        ("bash", "echo child-started; sleep 45; echo child-finished", ""),
    ]
    parent, child = of("task-kill9", SessionStarted)
    assert (child.parent_id, child.root_id) == (parent.session_id, parent.session_id)


def test_a_pending_revert_names_the_message_and_what_it_takes_back() -> None:
    pending = [e for e in of("lifecycle.reverted", SessionStarted) if "revert_message_id" in e.extras]
    assert len(pending) == 3
    messages = {turn.message_id for turn in of("lifecycle.reverted", TurnStarted)}
    messages |= {prompt.message_id for prompt in prompts("lifecycle.reverted")}
    assert {session.extras["revert_message_id"] for session in pending} <= messages
    assert {"additions": 5, "deletions": 2, "files": 4}.items() <= pending[0].extras.items()
    # Nothing is deleted before the next prompt.
    first = [turn for turn in of("lifecycle.reverted", TurnStarted) if turn.session_id == pending[0].session_id]
    assert len(first) == 6


def test_an_answer_that_was_too_long_is_truncated() -> None:
    assert turns("length") == [("completed", "", "length")]
    assert [status for _, _, status in ops("length", "llm")] == ["truncated"]


def test_bad_arguments_and_unknown_tools_are_calls_of_their_own_kind() -> None:
    assert ops("badargs", "tool") == [("read", "", "failed")]
    assert ops("badtool", "tool") == [("invalid", "no_such_tool", "completed")]


def test_a_permission_is_given_refused_or_not_answered() -> None:
    assert ops("ask", "tool") == [
        ("bash", "touch asked.txt", "completed"),
        ("bash", "touch asked.txt", "failed"),
        ("bash", "touch asked.txt", ""),
        ("write", "slow.txt", ""),
    ]
    assert [end.error_class for end in of("ask", OpFinalized) if end.status == "failed"] == ["PermissionRejected"]
    waiting = [op.extras for op in of("ask", OpStarted) if op.op_kind == "tool"][2]
    assert (waiting["phase"], waiting.get("running")) == ("running", None)


def test_calls_side_by_side_hang_under_one_step() -> None:
    started = [op for op in of("parallel", OpStarted) if op.op_kind == "tool"]
    assert [op.name for op in started] == ["bash", "read", "glob"]
    assert {op.parent_op_seq for op in started} == {1}


def test_a_sub_agent_that_may_not_delegate_has_a_failed_call_and_no_child() -> None:
    assert ops("nested-denied", "session") == [("Delegate further", "Delegate further", "completed")]
    assert ops("nested-denied", "tool")[1] == ("task", "Grandchild reads", "failed")


def test_a_request_that_is_refused_fails_without_a_step() -> None:
    assert (turns("error401"), ops("error401", "llm")) == ([("failed", "APIError", "")], [])
