"""What 1.18.33 really wrote for a session driven through `/api/session`: a row of `session`, none of message or part,
and everything in session_message. `v2-api.running` is the same session with its last command still running."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from adapter.contract import PayloadGone, PayloadText
from adapter.events import (
    LogEntry,
    OpFinalized,
    OpStarted,
    PayloadRef,
    SessionFinalized,
    SessionStarted,
    TurnFinalized,
    TurnStarted,
    Usage,
)
from adapter.local import OpencodeSource
from adapter.references import build
from tests.adapter import corpus

DUMPS = ["1.18.33/v2-api", "1.18.33/v2-api.running"]
NO_TOKENS = {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}
OP_OF_ITEM = {"text": "text", "reasoning": "reasoning", "tool": "tool"}
both = pytest.mark.parametrize("name", DUMPS)


def rows(name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(id, type, JSON) in order of seq."""
    found = corpus.table(name, "SELECT id, type, data FROM session_message ORDER BY seq")
    return [(str(key), str(kind), json.loads(str(data))) for key, kind, data in found]


def of(name: str, kind: type[Any]) -> list[Any]:
    return corpus.load(name).of(kind)


def tools(name: str, tool: str) -> list[Any]:
    return [op for op in of(name, OpStarted) if op.op_kind == "tool" and op.name == tool]


def end_of(name: str, op: Any) -> Any:
    found = [e for e in of(name, OpFinalized) if (e.message_id, e.op_seq) == (op.message_id, op.op_seq)]
    return found[0] if found else None


@both
def test_every_row_is_a_prompt_or_a_turn_in_its_order(name: str) -> None:
    turns, prompts = of(name, TurnStarted), [e for e in of(name, PayloadRef) if e.payload_kind == "user_prompt"]
    assert [e.message_id for e in turns] == [key for key, kind, _ in rows(name) if kind == "assistant"]
    assert [e.message_id for e in prompts] == [key for key, kind, _ in rows(name) if kind == "user"]
    assert [e.turn_seq for e in turns] == list(range(1, len(turns) + 1))
    assert of(name, LogEntry) == []
    assert len(of(name, SessionStarted)) == 1


@both
def test_a_turn_belongs_to_the_prompt_before_it(name: str) -> None:
    prompt, expected = "", {}
    for key, kind, _ in rows(name):
        prompt = key if kind == "user" else prompt
        if kind == "assistant":
            expected[key] = prompt
    assert {e.message_id: e.prompt_id for e in of(name, TurnStarted)} == expected


@both
def test_every_item_of_an_answer_is_an_op_below_its_step(name: str) -> None:
    ops: dict[str, list[Any]] = {}
    for op in of(name, OpStarted):
        ops.setdefault(op.message_id, []).append(op)
    for key, kind, data in rows(name):
        if kind == "assistant":
            step, *items = ops[key]
            assert (step.op_kind, step.parent_op_seq) == ("llm", -1)
            assert [op.op_kind for op in items] == [OP_OF_ITEM[item["type"]] for item in data["content"]]
            assert {op.parent_op_seq for op in items} <= {step.op_seq}
    ids = [(op.part_id, op.op_kind) for op in of(name, OpStarted)]
    assert len(set(ids)) == len(ids)


@both
def test_tokens_are_those_of_the_rows(name: str) -> None:
    recorded = {key: data.get("tokens") for key, kind, data in rows(name) if kind == "assistant"}
    steps = {e.message_id: e for e in of(name, OpFinalized) if e.op_kind == "llm"}
    finals = of(name, TurnFinalized)
    assert sum(e.usage.input for e in finals) > 100_000
    previous: Usage | None = None
    for event in finals:
        tokens = recorded[event.message_id] or {
            "input": 0,
            "output": 0,
            "reasoning": 0,
            "cache": {"read": 0, "write": 0},
        }
        usage = Usage(
            tokens["input"], tokens["output"], tokens["reasoning"], tokens["cache"]["read"], tokens["cache"]["write"]
        )
        assert (event.usage, event.delta) == (usage, usage.growth_since(previous))
        assert (steps[event.message_id].usage, steps[event.message_id].context_used) == (usage, usage.context)
        previous = usage


@both
def test_every_reference_leads_to_a_text_of_the_size_it_says(name: str) -> None:
    refs = of(name, PayloadRef)
    texts = asyncio.run(payloads(name, [e.uri for e in refs]))
    assert len(refs) > 60
    for event, text in zip(refs, texts, strict=True):
        assert text.text
        if text.format == "text":
            assert event.size == text.size, event.uri
        else:
            assert event.format == "json"


async def payloads(name: str, uris: list[str]) -> list[PayloadText]:
    with tempfile.TemporaryDirectory() as directory:
        async with OpencodeSource(corpus.build(name, Path(directory) / "opencode.db")) as source:
            return [await source.payload(uri) for uri in uris]


def test_a_node_is_found_by_the_names_that_events_give_it() -> None:
    """As the raw view asks: by the message or the part that an event names, whatever the table."""
    name = "1.18.33/v2-api"
    (op,) = tools(name, "task")
    whole = next(data for key, _, data in rows(name) if key == op.message_id)
    uris = [build("message_id", op.message_id, ""), build("part_id", op.part_id, "")]
    uris += [build("part_id", op.part_id, "state.status"), build("part_id", f"{op.message_id}:step", "")]
    message, part, field, step = asyncio.run(payloads(name, uris))
    assert json.loads(message.text) == json.loads(step.text) == whole
    assert json.loads(part.text) == whole["content"][2]
    assert field.text == "error"


@pytest.mark.parametrize("uri", [build("part_id", "msg_x:tool1", ""), build("message_id", "msg_x", "")])
def test_a_node_that_is_gone_is_called_gone(uri: str) -> None:
    with pytest.raises(PayloadGone):
        asyncio.run(payloads("1.18.33/v2-api", [uri]))


def test_how_calls_ended() -> None:
    name = "1.18.33/v2-api"
    found = [(op.extras.get("exit"), end_of(name, op).status) for op in tools(name, "bash")]
    assert found == [(0, "completed"), (3, "completed"), (0, "completed"), (None, "cancelled")]
    missing = [end_of(name, op) for op in tools(name, "read") if end_of(name, op).status == "failed"]
    assert [(e.error_class, e.error_message) for e in missing] == [("ToolError", "Unable to read missing.txt")]
    (task,) = tools(name, "task")
    assert (task.child_session_id, end_of(name, task).error_message) == ("", "Unknown tool: task")


def test_the_running_command() -> None:
    name = "1.18.33/v2-api.running"
    (op,) = [op for op in tools(name, "bash") if end_of(name, op) is None]
    assert (op.extras["label"], op.extras["phase"]) == ("echo started; sleep 45; echo finished", "running")
    assert (op.extras["untold"], op.extras["time_updated"]) == (True, 1795334431955000)
    last = of(name, TurnStarted)[-1]
    assert last.message_id == op.message_id
    assert last.message_id not in {e.message_id for e in of(name, TurnFinalized)}


def test_todo_lists_edits_and_changed_files() -> None:
    name = "1.18.33/v2-api"
    todos = [(op.extras["label"], op.extras["todos"]) for op in tools(name, "todowrite")]
    assert todos == [("first thing", [0, 3]), ("second thing", [2, 3])]
    edits = [(op.extras["label"], op.extras["additions"], op.extras["deletions"]) for op in tools(name, "edit")]
    assert edits == [("new.txt", 1, 1), ("hello.txt", 1, 1)]
    diffs = [e for e in of(name, PayloadRef) if e.payload_kind == "diff"]
    assert [e.uri.partition("field=")[2] for e in diffs if e.format == "diff"] == [
        "content.2.state.structured.files.0.patch",
        "content.3.state.structured.files.0.patch",
    ]
    assert [e.preview for e in diffs if e.format == "json"] == ["new.txt", "hello.txt, new.txt", "bash.txt, gone.txt"]


def test_a_failed_step_is_a_failed_turn_and_not_the_end_of_the_session() -> None:
    name = "1.18.33/v2-api"
    (failed,) = [e for e in of(name, TurnFinalized) if e.status == "failed"]
    assert failed.finish == "error"
    assert failed.error_message.startswith("Provider request failed with HTTP 400")
    assert of(name, SessionFinalized) == []


@both
def test_health_counts_the_rows_and_calls_the_family_v1(name: str) -> None:
    health = corpus.load(name).health
    assert (health.family, health.strategy, health.state) == ("v1", "event feed", "ok")
    assert health.counts["session_messages"] == len(rows(name))
    assert (health.counts["sessions"], health.counts["messages"], health.counts["parts"]) == (1, 0, 0)


@pytest.mark.parametrize("version", ["1.15.13", "1.17.11"])
def test_switches_of_agent_and_model_beside_messages_are_remarks(version: str) -> None:
    name = f"{version}/plain"
    found = [(e.severity, e.message) for e in of(name, LogEntry) if e.ref and e.session_id]
    assert found == [("INF", "agent: build"), ("INF", "model: mock/mock-1")]
