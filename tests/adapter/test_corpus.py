"""Every recorded database of every version: read without complaint, nothing lost, numbers as they were reported."""

from __future__ import annotations

import json
from collections import Counter
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
    Usage,
)
from tests.adapter import corpus
from tests.lab.scenarios import expected

every_dump = pytest.mark.parametrize("name", corpus.NAMES)
every_dump_of_messages = pytest.mark.parametrize("name", [name for name in corpus.NAMES if "v2-api" not in name])
"""Those with their content in message and part; `test_v2_corpus.py` is about the others."""
JOURNALS = {
    "1.2.1": ("__drizzle_migrations", 3),
    "1.3.2": ("__drizzle_migrations", 9),
    "1.15.13": ("__drizzle_migrations", 21),
    "1.17.11": ("migration", 38),
    "1.18.33": ("migration", 38),
}

# Of each kind of op, the part type that makes it.
OP_OF_PART = {"llm": "step-start", "tool": "tool", "reasoning": "reasoning", "text": "text"}
SINGLE_SESSION = (
    "plain", "tools", "parallel", "todo", "files", "fail", "markdown", "think", "length", "badtool", "badargs",
    "patch", "drip", "ansi", "empty", "retry503", "retry429",
)  # fmt: skip
"""Scenarios of which one prompt is the whole database: every step of it is a turn of the only session."""


def test_the_corpus_holds_every_version() -> None:
    assert {name.split("/")[0] for name in corpus.NAMES} == set(corpus.VERSIONS)
    assert len(corpus.NAMES) > 120
    assert len(corpus.NAMES_2X) == 71


def rows(name: str, tables: str) -> list[dict[str, Any]]:
    """Message or part rows with their JSON decoded."""
    columns = "id, session_id, data" if tables == "message" else "id, message_id, session_id, data"
    out = []
    for row in corpus.table(name, f"SELECT {columns} FROM {tables}"):
        out.append({**dict(zip(columns.split(", "), row, strict=True)), "data": json.loads(str(row[-1]))})
    return out


def of(name: str, kind: type[Event]) -> list[Any]:
    return corpus.load(name).of(kind)


@every_dump
def test_is_read_without_a_complaint(name: str) -> None:
    loud = [e for e in of(name, LogEntry) if e.severity in ("WRN", "ERR")]
    assert (of(name, SourceError), loud) == ([], [])
    assert corpus.load(name).health.warnings == {}
    assert corpus.load(name).health.state == "ok"


@every_dump
def test_reading_leaves_bytes_times_and_directory_as_they_were(name: str) -> None:
    assert corpus.load(name).before == corpus.load(name).after
    assert list(corpus.load(name).after) == ["opencode.db"]


@every_dump
def test_health_knows_the_rows_the_journal_and_the_version(name: str) -> None:
    health = corpus.load(name).health
    version = name.split("/")[0]
    for table in ("session", "message", "part"):
        assert health.counts[f"{table}s"] == corpus.table(name, f"SELECT count(*) FROM {table}")[0][0]
    assert (health.migration_table, health.migration_count) == JOURNALS[version]
    assert set(health.versions) == {version}


@every_dump_of_messages
def test_every_message_is_a_turn_or_a_prompt(name: str) -> None:
    roles: dict[str, set[str]] = {"user": set(), "assistant": set()}
    for row in rows(name, "message"):
        roles[row["data"]["role"]].add(row["id"])
    assert [e.message_id for e in of(name, TurnStarted)].count("") == 0
    assert Counter(e.message_id for e in of(name, TurnStarted)) == Counter(roles["assistant"])
    prompts = [e.message_id for e in of(name, PayloadRef) if e.payload_kind == "user_prompt"]
    assert Counter(prompts) == Counter(roles["user"])


@every_dump_of_messages
def test_every_part_of_an_answer_is_an_op_or_belongs_to_one(name: str) -> None:
    assistants = {row["id"] for row in rows(name, "message") if row["data"]["role"] == "assistant"}
    parts = [row for row in rows(name, "part") if row["message_id"] in assistants]
    for kind, part_type in OP_OF_PART.items():
        have = Counter(e.part_id for e in of(name, OpStarted) if e.op_kind == kind)
        assert have == Counter(row["id"] for row in parts if row["data"]["type"] == part_type), kind
    finishes = sum(row["data"]["type"] == "step-finish" for row in parts)
    ends = [e for e in of(name, OpFinalized) if e.op_kind == "llm" and e.status in ("completed", "truncated")]
    assert len(ends) == finishes
    patches = {row["id"] for row in parts if row["data"]["type"] == "patch"}
    diffs = {e.part_id for e in of(name, PayloadRef) if e.payload_kind == "diff"}
    assert patches <= diffs


@every_dump
def test_every_part_of_a_prompt_is_referenced_or_remarked_upon(name: str) -> None:
    users = {row["id"] for row in rows(name, "message") if row["data"]["role"] == "user"}
    told = {e.part_id for e in of(name, PayloadRef)} | {e.ref for e in of(name, LogEntry)}
    for row in rows(name, "part"):
        if row["message_id"] in users and row["data"]["type"] in ("text", "file", "compaction", "subtask"):
            assert row["id"] in told, row["data"]["type"]


@every_dump
def test_turns_and_ops_are_numbered_without_gaps_in_their_order(name: str) -> None:
    turns: dict[str, list[Any]] = {}
    for event in of(name, TurnStarted):
        turns.setdefault(event.session_id, []).append(event)
    for events in turns.values():
        assert [e.turn_seq for e in events] == list(range(1, len(events) + 1))
        assert [(e.ts, e.message_id) for e in events] == sorted((e.ts, e.message_id) for e in events)
    ops: dict[str, list[Any]] = {}
    for event in of(name, OpStarted):
        ops.setdefault(event.message_id, []).append(event)
    seqs = {e.message_id: e.turn_seq for e in of(name, TurnStarted)}
    for message_id, started in ops.items():
        assert [e.op_seq for e in started] == list(range(1, len(started) + 1))
        assert {e.turn_seq for e in started} == {seqs[message_id]}
        for event in started:
            assert event.parent_op_seq == -1 or 1 <= event.parent_op_seq < event.op_seq


@every_dump_of_messages
def test_nothing_refers_to_what_is_not_there(name: str) -> None:
    sessions = {str(row[0]) for row in corpus.table(name, "SELECT id FROM session")}
    messages = {str(row[0]) for row in corpus.table(name, "SELECT id FROM message")}
    parts = {str(row[0]) for row in corpus.table(name, "SELECT id FROM part")}
    ops = {(e.message_id, e.op_seq) for e in of(name, OpStarted)}
    for event in corpus.load(name).events:
        assert getattr(event, "session_id", "") in sessions | {""}
        assert getattr(event, "message_id", "") in messages | {""}
        # A compaction has no part of its own in the answer: its op is named by the message.
        assert getattr(event, "part_id", "") in parts | messages | {""}
        if isinstance(event, PayloadRef) and event.op_seq:
            assert (event.message_id, event.op_seq) in ops
        if isinstance(event, OpFinalized):
            assert (event.message_id, event.op_seq) in ops


@every_dump
def test_sub_agents_hang_under_the_call_that_started_them(name: str) -> None:
    parents = {e.session_id: e.parent_id for e in of(name, SessionStarted)}
    forks = {e.session_id for e in of(name, SessionStarted) if e.session_kind == "fork"}
    for event in of(name, OpStarted):
        if event.op_kind == "session":
            assert event.child_session_id in parents
            # A fork copies the calls of its original, so those name children of the original.
            assert parents[event.child_session_id] == event.session_id or event.session_id in forks
    for event in of(name, SessionStarted):
        assert event.session_kind == ("sub_agent" if event.parent_id else event.session_kind)
        top = event.session_id
        while parents[top]:
            top = str(parents[top])
        assert event.root_id == top
    called = {e.child_session_id for e in of(name, OpStarted) if e.op_kind == "session"}
    assert {child for child, parent in parents.items() if parent} <= called
    calls = {(e.message_id, e.part_id): e for e in of(name, OpStarted) if e.op_kind == "session"}
    for event in of(name, OpStarted):
        if event.op_kind == "tool" and event.child_session_id:
            assert event.parent_op_seq == calls[event.message_id, event.part_id].op_seq == event.op_seq - 1


@every_dump_of_messages
def test_the_steps_add_up_to_the_columns_of_the_session(name: str) -> None:
    sums: dict[str, Usage] = {}
    costs: dict[str, float] = {}
    for event in of(name, OpFinalized):
        if event.op_kind == "llm":
            sums[event.session_id] = sums.get(event.session_id, Usage()) + event.usage
            costs[event.session_id] = costs.get(event.session_id, 0.0) + event.cost
    recorded = {e.session_id: e.extras for e in of(name, SessionStarted) if "usage" in e.extras}
    for session_id, extras in recorded.items():
        assert Usage(**extras["usage"]) == sums[session_id]
        assert extras["cost"] == pytest.approx(costs[session_id])
    if name.split("/")[0] in ("1.15.13", "1.17.11", "1.18.33"):
        assert set(recorded) == {session for session, usage in sums.items() if usage.total}
    else:
        assert recorded == {}


def steps(name: str, agent: str = "build") -> list[Usage]:
    return [e.usage for e in turn_ends(name, agent) if e.usage != Usage()]


def turn_ends(name: str, agent: str) -> list[Any]:
    of_agent = {e.message_id for e in of(name, TurnStarted) if e.agent == agent}
    return [e for e in of(name, TurnFinalized) if e.message_id in of_agent]


def reported(name: str, scenario: str) -> list[Usage]:
    """What the model reported in a scenario, as the version of `name` writes it down: up to 1.3.2 `output` holds the
    reasoning tokens too."""
    both = name.startswith(("1.2.", "1.3."))
    return [
        Usage(
            input=step["uncached_input"],
            output=step["completion"] if both else step["visible_output"],
            reasoning=step["reasoning"],
            cache_read=step["cached"],
        )
        for step in expected(scenario)
    ]


@pytest.mark.parametrize("name", [name for name in corpus.NAMES if name.split("/")[1] in SINGLE_SESSION])
def test_each_turn_has_the_tokens_that_the_model_reported(name: str) -> None:
    assert steps(name) == reported(name, name.split("/")[1])


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_a_sub_agent_has_its_own_tokens_and_the_parent_only_its_own(version: str) -> None:
    name = f"{version}/task"
    assert steps(name) == reported(name, "task")
    assert steps(name, "general") == reported(name, "child-read")


@pytest.mark.parametrize("version", [v for v in corpus.VERSIONS if f"{v}/task2" in corpus.NAMES])
def test_two_sub_agents_of_one_step_keep_their_tokens_apart(version: str) -> None:
    name = f"{version}/task2"
    assert steps(name) == reported(name, "task2")
    titles = {e.title.split(" (@")[0]: e.session_id for e in of(name, SessionStarted) if e.parent_id}
    for title, scenario in (("Read the file", "child-read"), ("Run a command", "child-bash")):
        mine = [e.usage for e in of(name, TurnFinalized) if e.session_id == titles[title]]
        assert mine == reported(name, scenario)


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_nested_sub_agents_are_three_sessions_deep(version: str) -> None:
    name = f"{version}/nested"
    started = {e.session_id: e for e in of(name, SessionStarted)}
    assert len(started) == 3
    (leaf,) = [e for e in started.values() if e.parent_id and started[e.parent_id].parent_id]
    assert leaf.root_id == started[leaf.parent_id].parent_id
    assert steps(name, "nester") == reported(name, "child-nest")
    assert [e.usage for e in of(name, TurnFinalized) if e.session_id == leaf.session_id] == reported(name, "child-read")


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_turns_grow_by_what_the_step_added(version: str) -> None:
    deltas = [e.delta.input for e in of(f"{version}/tools", TurnFinalized)]
    assert deltas == [1800, 100, 100]


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_a_killed_run_stays_open_and_an_unanswerable_one_fails(version: str) -> None:
    for scenario in ("abort-kill9", "tool-kill9"):
        name = f"{version}/{scenario}"
        ended = {e.message_id for e in of(name, TurnFinalized)}
        assert {e.message_id for e in of(name, TurnStarted)} - ended
    (failed,) = [e for e in of(f"{version}/error400", TurnFinalized) if e.status == "failed"]
    assert failed.error_class == "APIError"
    assert "the request is bad" in failed.error_message


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_a_failed_tool_says_why(version: str) -> None:
    name = f"{version}/fail"
    started = {(e.message_id, e.op_seq): e for e in of(name, OpStarted) if e.op_kind == "tool"}
    ends = {started[e.message_id, e.op_seq].name: e for e in of(name, OpFinalized) if e.op_kind == "tool"}
    assert (ends["read"].status, ends["bash"].status) == ("failed", "completed")
    assert "not found" in ends["read"].error_message.lower()
    (bash,) = [e for e in started.values() if e.name == "bash"]
    assert bash.extras["exit"] == 3


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_missing_columns_are_named_and_only_those(version: str) -> None:
    late = ["agent", "model", "cost", "tokens_input", "tokens_output", "tokens_reasoning", "tokens_cache_read"]
    names = [f"session.{column}" for column in [*late, "tokens_cache_write"]]
    assert corpus.load(f"{version}/plain").health.missing_columns == (names if version in ("1.2.1", "1.3.2") else [])
