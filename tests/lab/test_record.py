"""How the demo is recorded: what the watcher notes, what the script answers, what the check refuses."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.changes import Watcher
from tests.lab.demo_project import FILES, NEW_RETRY, OLD_RETRY, OLD_TEST, RETRY, TEST_RETRY
from tests.lab.demo_script import EXPLAIN, FIX, DemoScript, talks
from tests.lab.record import STORY, problems
from tui.demo.recording import Change, Recording, Step, load

DEADLINE_S = 10


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(tmp_path / "some.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("create table note (id text primary key, time_made integer, data text, size real)")
        yield connection


def wait_for_steps(watcher: Watcher, count: int) -> None:
    until = time.monotonic() + DEADLINE_S
    while len(watcher.steps) < count and time.monotonic() < until:
        time.sleep(0.002)


def test_the_watcher_notes_rows_that_come_change_and_go_in_order(tmp_path: Path, database: sqlite3.Connection):
    database.execute("insert into note values ('old', 1, 'x', 0.5)")
    watcher = Watcher(tmp_path / "some.db", [])
    watcher.start()
    for count, statement in enumerate(
        (
            "insert into note values ('new', 2, 'y', null)",
            "update note set data = 'z' where id = 'old'",
            "delete from note where id = 'new'",
        ),
        2,
    ):
        database.execute(statement)
        wait_for_steps(watcher, count)
    recording = watcher.finish("1.0.0")
    assert [step.changes for step in recording.steps] == [
        [Change("note", True, ["old", 1, "x", 0.5])],
        [Change("note", True, ["new", 2, "y", None])],
        [Change("note", True, ["old", 1, "z", 0.5])],
        [Change("note", False, ["new"])],
    ]
    moments = [step.at for step in recording.steps]
    assert moments == sorted(moments)
    assert moments[0] == 0


def test_paths_and_moments_of_this_machine_are_replaced(tmp_path: Path, database: sqlite3.Connection):
    now = round(time.time() * 1000)
    data = json.dumps({"path": "/here/project/a.py", "end": now, "number": 123, "cost": 0.1234567890123})
    database.execute("insert into note values ('a', ?, ?, 0)", (now, data))
    watcher = Watcher(tmp_path / "some.db", [("/here/project", "/home/dev"), ("/here", "/wrong")])
    watcher.start()
    [(_, _, (_, when, text, _))] = watcher.finish("1.0.0").steps[0].changes
    offset = now - watcher.start_ms
    assert when == {"ms": offset}
    assert text == data.replace("/here/project", "/home/dev").replace(str(now), f"\x1e{offset}\x1e")


def test_a_failure_while_watching_is_raised_at_the_end(tmp_path: Path, database: sqlite3.Connection):
    watcher = Watcher(tmp_path / "some.db", [])
    watcher.start()
    database.execute("insert into note values ('a', 1, x'00ff', 0)")
    with pytest.raises(TypeError, match="no form for bytes"):
        watcher.finish("1.0.0")


def test_the_shipped_recording_passes_its_own_check():
    assert problems(load(), ["/tmp", "/root", "127.0.0.1"]) == []


def test_the_check_names_what_is_missing_and_what_leaks():
    leaky = Recording("1.0.0", [], {}, [Step(0, [Change("note", True, ["in /tmp/x", 1])])])
    found = problems(leaky, ["/tmp"])
    assert [line for line in found if line.startswith("missing")] == [f"missing: {what}" for what in STORY]
    assert found[-1] == "of this machine: 'in /tmp/x'"


def ask(prompt: str, answers: int, tools: bool = True) -> dict[str, Any]:
    said: list[dict[str, Any]] = [{"role": "assistant", "content": "earlier words " * 20}] * answers
    return {
        "messages": [{"role": "system", "content": "generate a title"}, {"role": "user", "content": prompt}, *said],
        "tools": [{"function": {"name": "bash"}}] if tools else [],
    }


def test_the_demo_answers_its_prompts_step_by_step_with_a_growing_cached_context():
    script = DemoScript(Path("/project"))
    answers = [script.answer(ask(FIX, step), 0) for step in range(9)]
    assert [answer.step for answer in answers] == list(range(9))
    assert not answers[-1].what.calls
    prompts = [answer.usage.prompt for answer in answers]
    assert prompts == sorted(prompts)
    assert answers[0].usage.cached == 0
    assert all(0 < answer.usage.cached < answer.usage.prompt for answer in answers[1:])


def test_the_demo_gives_each_session_its_title_and_refuses_foreign_prompts():
    script = DemoScript(Path("/project"))
    title = script.answer(ask(EXPLAIN, 0, tools=False), 0)
    assert (title.kind, title.what.text) == ("title", "Explain the jitter argument")
    with pytest.raises(LookupError):
        script.answer(ask("something else", 0), 0)


def test_the_edits_of_the_demo_fit_the_files_they_change():
    assert RETRY.count(OLD_RETRY) == 1
    assert TEST_RETRY.count(OLD_TEST) == 1
    assert TEST_RETRY.count("import time\nimport unittest") == 1
    compile(RETRY.replace(OLD_RETRY, NEW_RETRY), "retry.py", "exec")


def test_every_file_the_demo_reads_exists_but_the_one_it_misses():
    read = {
        arguments["filePath"].removeprefix("/project/")
        for talk in talks(Path("/project"))
        for step in talk.steps
        for tool, arguments in step.calls
        if tool == "read"
    }
    assert read - set(FILES) == {"tests/conftest.py"}
