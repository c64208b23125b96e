"""What is written in a session leaves with --payloads, in the form of the conventions, and else does not; with --redact
nothing leaves that a person, a model or a tool wrote."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from adapter.events import PayloadRef
from adapter.local import OpencodeSource
from tests.adapter import corpus
from tests.tui.otlp.receiver import Collector, Received, send
from tui.commands.otlp import texts

SCENARIOS = ["1.18.33/nested", "1.18.33/plain", "1.18.33/bash", "1.17.11/nested"]
SHORTEST = 12
"""Characters of a text that is looked for: shorter ones are words that names have, too."""
STAYS = re.compile(r"^(?:(?:ses|msg|prt|prj|evt)_\w+|call_\w+|[\w.-]+)$")
"""Ids and names: no free text."""
FREE = {"title", "text", "input", "output", "error", "message", "description", "prompt", "command", "directory", "path"}
FREE |= {"cwd", "root", "filePath", "pattern", "content", "preview", "diff", "patch", "worktree", "url", "filename"}


def strings(value: Any, name: str = "") -> set[str]:
    """Every string under keys that hold free text."""
    if isinstance(value, dict):
        return {each for key, below in value.items() for each in strings(below, key if key in FREE else name)}
    if isinstance(value, list):
        return {each for below in value for each in strings(below, name)}
    return {value} if isinstance(value, str) and name else set()


def written(path: Path) -> set[str]:
    """Every free text of a database: of rows and of the JSON in them."""
    found: set[str] = set()
    connection = sqlite3.connect(path)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in ("message", "part", "session_message"):
        if table in tables:
            for (data,) in connection.execute(f"SELECT data FROM {table}"):
                found |= strings(json.loads(data))
    for row in connection.execute("SELECT title, directory FROM session"):
        found |= {each for each in row if each}
    connection.close()
    return {text for text in found if len(text) >= SHORTEST and not STAYS.match(text)}


def forms(text: str) -> set[bytes]:
    """How a text, or its first line, may stand in a request: as it is, and in JSON."""
    lines = {text, text.strip().split("\n")[0]}
    return {
        form.encode()
        for line in lines
        if len(line) >= SHORTEST and not STAYS.match(line)
        for form in (line, json.dumps(line)[1:-1], json.dumps(line, ensure_ascii=False)[1:-1])
    }


@pytest.mark.parametrize("name", corpus.NAMES + corpus.NAMES_2X)
def test_redacted_spans_hold_no_text_of_the_database(name: str, tmp_path: Path) -> None:
    path = corpus.build(name, tmp_path / "opencode.db")
    with Collector() as collector:
        assert send(collector, [path], "--redact") in (0, 1)
    sent = b"".join(collector.bodies)
    found = {text for text in written(path) for form in forms(text) if form in sent}
    assert not found


@pytest.mark.parametrize("name", ["1.18.33/nested", "1.2.1/tools", f"{corpus.PREVIEW}/plain"])
def test_the_same_search_finds_what_is_sent_with_payloads(name: str, tmp_path: Path) -> None:
    path = corpus.build(name, tmp_path / "opencode.db")
    with Collector() as collector:
        assert send(collector, [path], "--payloads") in (0, 1)
    sent = b"".join(collector.bodies)
    assert len({text for text in written(path) for form in forms(text) if form in sent}) >= 3


@pytest.mark.parametrize("name", ["1.18.33/nested", "1.18.33/error400", "1.2.1/tools"])
def test_without_payloads_no_prompt_no_answer_and_nothing_of_a_call_leaves(name: str, tmp_path: Path) -> None:
    path = corpus.build(name, tmp_path / "opencode.db")
    with Collector() as collector:
        assert send(collector, [path]) == 0
    sent = b"".join(collector.bodies)
    connection = sqlite3.connect(path)
    texts_of_parts: set[str] = set()
    for (data,) in connection.execute("SELECT data FROM part"):
        part = json.loads(data)
        state = part.get("state") or {}
        texts_of_parts |= {
            part.get("text") or "",
            state.get("output") or "",
            *strings(state.get("input") or {}, "input"),
        }
    connection.close()
    titles = {title for (title,) in sqlite3.connect(path).execute("SELECT title FROM session")}
    assert any(title.encode() in sent for title in titles)
    looked_for = {text for text in texts_of_parts if not any(text in title for title in titles)}
    assert looked_for
    assert not {text for text in looked_for for form in forms(text) if form in sent}


@pytest.fixture
def nested(tmp_path: Path) -> list[Received]:
    with Collector() as collector:
        assert send(collector, [corpus.build("1.18.33/nested", tmp_path / "opencode.db")], "--payloads") == 0
    return collector.spans


def test_with_payloads_a_step_has_what_was_new_to_it_and_what_it_answered(nested: list[Received]) -> None:
    runs = [span for span in nested if span.operation == "invoke_agent" and not span.parent]
    for run in runs:
        steps = sorted((span for span in nested if span.parent == run.id), key=lambda span: span.start)
        (prompt,) = json.loads(steps[0]["gen_ai.input.messages"])
        assert prompt["role"] == "user"
        assert "lab:nested" in prompt["parts"][0]["content"]
        for before, step in itertools.pairwise(steps):
            (results,) = json.loads(step["gen_ai.input.messages"])
            calls = {span["gen_ai.tool.call.id"]: span for span in nested if span.parent == before.id}
            assert {part["id"] for part in results["parts"]} == set(calls)
            assert all(part["response"] == calls[part["id"]]["gen_ai.tool.call.result"] for part in results["parts"])
        (answer,) = json.loads(steps[-1]["gen_ai.output.messages"])
        assert (answer["role"], answer["finish_reason"]) == ("assistant", "stop")
        assert json.loads(run["gen_ai.output.messages"])[0]["parts"] == [
            part for part in answer["parts"] if part["type"] == "text"
        ]


def test_with_payloads_a_call_has_its_arguments_and_its_result(nested: list[Received]) -> None:
    calls = [span for span in nested if span.operation == "execute_tool"]
    assert calls
    for call in calls:
        assert isinstance(json.loads(call["gen_ai.tool.call.arguments"]), dict)
        assert call["gen_ai.tool.call.result"]


@pytest.mark.parametrize("name", [f"{corpus.PREVIEW}/shell", f"{corpus.PREVIEW}/tools", "1.18.33/v2-api"])
def test_a_result_of_several_pieces_leaves_whole(name: str, tmp_path: Path) -> None:
    path = corpus.build(name, tmp_path / "opencode.db")
    with Collector() as collector:
        assert send(collector, [path], "--payloads") in (0, 1)
    results = {
        span["gen_ai.tool.call.id"]: span.get("gen_ai.tool.call.result")
        for span in collector.spans
        if span.operation == "execute_tool"
    }
    pieces: dict[str, list[PayloadRef]] = {}
    for event in corpus.load(name).events:
        if isinstance(event, PayloadRef) and event.payload_kind == "tool_response":
            pieces.setdefault(event.part_id, []).append(event)
    several = {part: refs for part, refs in pieces.items() if len(refs) > 1}
    assert several
    for part, refs in several.items():
        for ref in refs:
            assert asyncio.run(text_of(path, ref.uri)) in str(results[part])


async def text_of(path: Path, uri: str) -> str:
    """What is behind a reference."""
    async with OpencodeSource(path, watch=False) as source:
        return (await source.payload(uri)).text


def test_a_text_is_cut_where_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "TEXT_LIMIT", 10)
    monkeypatch.setattr(texts, "SPAN_LIMIT", 15)
    with Collector() as collector:
        assert send(collector, [corpus.build("1.18.33/nested", tmp_path / "opencode.db")], "--payloads") == 0
    calls = [span for span in collector.spans if span.operation == "execute_tool"]
    for call in calls:
        for name in ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result"):
            kept, _, said = call[name].partition("… (cut: ")
            assert len(kept.encode()) <= 10
            assert re.fullmatch(r"\d+ of [\d,]+ bytes\)", said)
        assert call["opencode.texts.cut"] == 2
        assert sum(len(call[f"gen_ai.tool.call.{name}"].partition("…")[0]) for name in ("arguments", "result")) <= 15
