"""The lab itself: its numbers, and that one real run stores exactly those."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.lab import mock_model, opencode_binary, recipes, recipes_2x
from tests.lab.driver import Lab, copy_database
from tests.lab.driver_2x import Lab2x
from tests.lab.lab_script import LabScript
from tests.lab.scenarios import SCENARIOS, SUMMARY, expected
from tests.lab.script import bash, task


def chat(prompt: str, answers: int = 0, tools: bool = True) -> dict[str, Any]:
    """A request as opencode sends it after `answers` assistant messages."""
    said = [{"role": "assistant", "content": "x"}] * answers
    return {
        "model": "mock-1",
        "messages": [{"role": "user", "content": prompt}, *said],
        "tools": [{"function": {"name": "bash", "parameters": {}}}] if tools else [],
    }


def test_every_scenario_has_its_own_number_so_that_tokens_tell_them_apart():
    numbers = [number for number, _ in SCENARIOS.values()]
    assert len(set(numbers)) == len(numbers)


def test_the_numbers_of_a_step_follow_from_scenario_and_step():
    first, second, third = expected("tools")
    assert (first["prompt"], first["cached"], first["completion"], first["reasoning"]) == (2000, 200, 50, 5)
    assert [row["uncached_input"] for row in (first, second, third)] == [1800, 1900, 2000]
    assert [row["visible_output"] for row in (first, second, third)] == [45, 46, 47]


def test_the_step_is_the_number_of_answers_since_the_keyword():
    script = LabScript()
    assert [script.answer(chat("lab:tools go", n), 0).step for n in range(3)] == [0, 1, 2]
    continued = chat("lab:tools go", 3)
    continued["messages"].append({"role": "user", "content": "and now?"})
    answer = script.answer(continued, 0)
    assert (answer.name, answer.step) == ("plain", 0)


def test_a_repeated_conversation_gets_past_the_scripted_overload():
    script = LabScript()
    statuses = [script.answer(chat("lab:retry503 go"), n).what.error for n in range(3)]
    assert [error.status if error else 200 for error in statuses] == [503, 503, 200]


def test_the_model_streams_its_answer_and_reports_usage_over_http():
    with mock_model.start(delay=0) as model:
        body = json.dumps(chat("lab:plain go")).encode()
        request = urllib.request.Request(model.url + "/chat/completions", body)
        with urllib.request.urlopen(request, timeout=10) as response:
            lines = response.read().decode().splitlines()
        chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        assert "".join(d.get("content", "") for d in deltas) == SCENARIOS["plain"][1][0].text
        assert chunks[-1]["usage"]["prompt_tokens"] == 1000
        assert lines[-2:] == ["data: [DONE]", ""] or lines[-1] == "data: [DONE]"


def test_without_npm_the_reason_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(opencode_binary.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(opencode_binary.Unavailable, match="npm is not on PATH"):
        opencode_binary.find()
    assert list(tmp_path.iterdir()) == []


def test_a_failed_install_leaves_no_half_made_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\nmkdir node_modules\necho no such package >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv(opencode_binary.CACHE_VARIABLE, str(tmp_path / "caches"))
    monkeypatch.setenv("PATH", f"{npm.parent}:/usr/bin:/bin")
    with pytest.raises(opencode_binary.Unavailable, match="ended with 1: no such package"):
        opencode_binary.find()
    assert list((tmp_path / "caches").iterdir()) == []


def test_an_install_that_lost_the_race_uses_the_winner_and_the_build_that_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    cache = tmp_path / "caches" / opencode_binary.VERSION
    for name, code in (("opencode-linux-x64", "exit 132"), ("opencode-linux-x64-baseline", "echo 1.18.33")):
        build = cache / "node_modules" / name / "bin" / "opencode"
        build.parent.mkdir(parents=True)
        build.write_text(f"#!/bin/sh\n{code}\n")
        build.chmod(0o755)
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\nmkdir node_modules\n")
    npm.chmod(0o755)
    monkeypatch.setenv(opencode_binary.CACHE_VARIABLE, str(cache.parent))
    monkeypatch.setenv("PATH", f"{npm.parent}:/usr/bin:/bin")
    opencode_binary.install(cache)
    assert [path.name for path in cache.parent.iterdir()] == [opencode_binary.VERSION]
    assert opencode_binary.find() == cache / "node_modules/opencode-linux-x64-baseline/bin/opencode"


@pytest.mark.opencode
def test_a_real_run_stores_the_numbers_the_model_reported(tmp_path: Path):
    binary = opencode_binary.require()
    names = ("tools", "fail", "plain")
    with Lab(tmp_path / "lab", binary) as lab, lab.serve():
        for name in names:
            lab.prompt(lab.session(), f"lab:{name} please")
        copy = copy_database(lab.db, tmp_path / "copy.db")
    told = [(row["uncached_input"], row["cached"], row["visible_output"]) for n in names for row in expected(n)]
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        rows = connection.execute("select data from part where json_extract(data, '$.type') = 'step-finish'")
        tokens = [json.loads(data)["tokens"] for (data,) in rows]
    assert sorted((t["input"], t["cache"]["read"], t["output"]) for t in tokens) == sorted(told)
    assert {t["reasoning"] for t in tokens} == {5}


@pytest.mark.opencode
def test_a_drive_leaves_its_question_open(tmp_path: Path):
    path = recipes.make("question", tmp_path, opencode_binary.require())
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute("select json_extract(data, '$.state.status') from part order by time_created, id")
        statuses = [status for (status,) in rows if status]
    assert statuses == ["completed", "error", "running"]


@pytest.mark.opencode
def test_a_real_run_of_the_preview_stores_the_numbers_the_model_reported(tmp_path: Path):
    binary = opencode_binary.require(opencode_binary.V2)
    names = ("tools", "fail", "plain")
    with Lab2x(tmp_path / "lab", binary) as lab, lab.serve():
        for name in names:
            lab.prompt(lab.session(), f"lab:{name} please")
        copy = copy_database(lab.db, tmp_path / "copy.db")
    told = [(row["uncached_input"], row["cached"], row["visible_output"]) for n in names for row in expected(n)]
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        rows = connection.execute("select data from session_message where type = 'assistant'")
        tokens = [json.loads(data)["tokens"] for (data,) in rows]
    assert sorted((t["input"], t["cache"]["read"], t["output"]) for t in tokens) == sorted(told)
    assert {t["reasoning"] for t in tokens} == {5}


@pytest.mark.opencode
def test_a_drive_of_the_preview_leaves_its_prompts_waiting(tmp_path: Path):
    path = recipes_2x.make("waiting", tmp_path, opencode_binary.require(opencode_binary.V2))
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        waiting = connection.execute("select delivery, json_extract(data, '$.text') from session_pending order by 1")
        assert waiting.fetchall() == [("queue", "lab:plain three, queued"), ("steer", "lab:plain two, steers")]


@pytest.mark.opencode
def test_a_compaction_of_the_preview_is_answered_with_the_summary(tmp_path: Path):
    path = recipes_2x.make("compact", tmp_path, opencode_binary.require(opencode_binary.V2))
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute("select data from session_message where type = 'compaction' order by time_created")
        made, refused = (json.loads(data) for (data,) in rows)
    assert (made["status"], made["summary"]) == ("completed", SUMMARY)
    assert (refused["status"], refused["error"]["type"]) == ("failed", "compaction.unavailable")


def test_tools_are_named_as_the_request_names_them():
    known = [
        {"function": {"name": "shell", "parameters": {"properties": {"command": {}}}}},
        {"function": {"name": "subagent", "parameters": {"properties": {"agent": {}, "prompt": {}}}}},
    ]
    calls = [bash("ls", "List"), task("Read", "Read it.")]
    fitted = list(mock_model.fit(calls, {"tools": known}))
    assert [name for name, _ in fitted] == ["shell", "subagent"]
    assert fitted[1][1]["agent"] == "general"
    assert list(mock_model.fit(calls[:1], {"tools": [{"function": {"name": "bash"}}]})) == calls[:1]


def test_the_program_of_the_preview_is_found_by_its_own_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    build = tmp_path / opencode_binary.PREVIEW / "node_modules/@opencode-ai/cli-linux-x64-baseline/bin/opencode2"
    build.parent.mkdir(parents=True)
    build.write_text(f"#!/bin/sh\necho opencode2 v{opencode_binary.PREVIEW}\n")
    build.chmod(0o755)
    monkeypatch.setenv(opencode_binary.CACHE_VARIABLE, str(tmp_path))
    assert opencode_binary.find(opencode_binary.V2) == build
    build.write_text("#!/bin/sh\necho opencode2 v9.9.9\n")
    with pytest.raises(opencode_binary.Unavailable, match="none of the installed builds"):
        opencode_binary.find(opencode_binary.V2)
