"""Six scenarios event by event. What must hold whatever the files say is asserted on fields, here and in
`test_corpus.py`, so that writing the files anew hides nothing."""

from __future__ import annotations

import difflib
from typing import Any

import pytest

from adapter.events import LogEntry, OpFinalized, OpStarted, PayloadRef, SessionStarted, TurnStarted
from tests.adapter import corpus, golden


@pytest.mark.parametrize("name", golden.SCENARIOS)
def test_the_events_are_the_recorded_ones(name: str) -> None:
    recorded = golden.golden_file(name).read_text("utf-8").splitlines()
    difference = "\n".join(difflib.unified_diff(recorded, golden.lines(name), "recorded", "now", lineterm="", n=0))
    assert difference == "", "look at it, then: python -m tests.adapter.golden"


def ops(name: str, kind: str) -> list[Any]:
    return [e for e in corpus.load(name).of(OpStarted) if e.op_kind == kind]


def ends(name: str) -> dict[tuple[str, str, str], Any]:
    return {(e.message_id, e.part_id, e.op_kind): e for e in corpus.load(name).of(OpFinalized)}


@pytest.mark.parametrize("name", ["1.2.1/task", "1.18.33/task"])
def test_a_task_is_a_session_op_with_its_tool_call_below(name: str) -> None:
    (session,), (tool,) = ops(name, "session"), [op for op in ops(name, "tool") if op.name == "task"]
    (child,) = [e for e in corpus.load(name).of(SessionStarted) if e.parent_id]
    assert session.child_session_id == tool.child_session_id == child.session_id
    assert (child.session_kind, child.agent, child.root_id) == ("sub_agent", "general", session.session_id)
    assert tool.extras["label"] == "Read the file"
    for op in (session, tool):
        assert ends(name)[op.message_id, op.part_id, op.op_kind].status == "completed"


def test_edits_tell_the_lines_that_changed_and_where_the_diff_is() -> None:
    name = "1.18.33/files"
    edits = [op for op in ops(name, "tool") if op.name == "edit"]
    assert [(op.extras["label"], op.extras["additions"], op.extras["deletions"]) for op in edits] == [
        ("new.txt", 1, 1),
        ("hello.txt", 1, 1),
    ]
    diffs = [e for e in corpus.load(name).of(PayloadRef) if e.payload_kind == "diff" and e.format == "diff"]
    assert [e.part_id for e in diffs if e.part_id in {op.part_id for op in edits}] == [op.part_id for op in edits]
    assert all("field=state.metadata.diff" in e.uri and e.size > 0 for e in diffs)


def test_questions_are_answered_dismissed_or_still_waiting() -> None:
    questions = [op for op in ops("1.18.33/question", "tool") if op.name == "question"]
    assert {op.extras["label"] for op in questions} == {"Which colour do you want?"}
    found = [ends("1.18.33/question").get((op.message_id, op.part_id, "tool")) for op in questions]
    assert [(e.status, e.error_class) if e else None for e in found] == [
        ("completed", ""),
        ("failed", "QuestionDismissed"),
        None,
    ]


def test_a_compaction_is_an_op_of_the_turn_that_summarises() -> None:
    name = "1.18.33/compact-api"
    compactions = ops(name, "compaction")
    summaries = [e for e in corpus.load(name).of(TurnStarted) if e.extras.get("summary")]
    assert [op.message_id for op in compactions] == [e.message_id for e in summaries]
    assert [op.op_seq for op in compactions] == [1] * len(compactions)
    requests = [e.message for e in corpus.load(name).of(LogEntry) if e.message.startswith("compaction")]
    assert len(requests) == len(compactions)
