"""A real opencode 2.x writes (the preview that `tests/lab/opencode_binary.py` names), we watch: what runs is shown
while it runs, what waits while it waits, a killed server is told as one, and nothing of opencode's is touched."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from adapter.events import LogEntry, PayloadRef, SourceError
from tests.adapter import reference_2x
from tests.adapter.follower import Follower
from tests.adapter.reference_2x import NO_TOKENS
from tests.adapter.seen_2x import Seen, unlike
from tests.lab import opencode_binary, recipes_2x
from tests.lab.driver_2x import Lab2x
from tests.lab.scenarios import expected
from tests.test_end_to_end import DEADLINE_S, child_of, linked_and_busy, running, session
from tui.model.records import Turn
from tui.model.status.state import session_state
from tui.model.status.table import ACTIVE
from tui.model.status.thresholds import MINUTE
from tui.model.store.store import Store

pytestmark = pytest.mark.opencode


@pytest.fixture(scope="module")
def binary() -> Path:
    return opencode_binary.require(opencode_binary.V2)


def everything(directory: Path) -> dict[str, tuple[int, int, str]]:
    """Size, mtime and hash of every file below a directory."""
    return {
        str(file.relative_to(directory)): (
            file.stat().st_size,
            file.stat().st_mtime_ns,
            hashlib.sha256(file.read_bytes()).hexdigest(),
        )
        for file in sorted(directory.rglob("*"))
        if file.is_file()
    }


def prompts(store: Store, session_id: str) -> list[str]:
    """The prompts that a session shows, from top to bottom."""
    return [prompt.label for prompt in session(store, session_id).prompts.values()]


def waiting(store: Store, session_id: str) -> list[str]:
    """Those of them that have not been taken up."""
    found = session(store, session_id).prompts.values()
    return [prompt.label for prompt in found if prompt.extras.get("waiting")]


def state(store: Store, session_id: str, later_us: int = 0) -> str:
    """What is said of a session now, or when nothing will have been written for so long."""
    return session_state(store, session(store, session_id), time.time_ns() // 1000 + later_us).name


def turns(store: Store, session_id: str) -> list[Turn]:
    return list(session(store, session_id).turns.values())


def complaints(seen: Follower) -> list[object]:
    return [event for event in seen.of(LogEntry) if event.severity in ("WRN", "ERR")] + seen.of(SourceError)


async def test_watching_the_preview_live(binary: Path, tmp_path: Path) -> None:
    with Lab2x(tmp_path, binary, delay=0.03) as lab, lab.serve():
        drips, delegates = lab.session(title="drips"), lab.session(title="delegates")
        names_before = {file.name for file in lab.db.parent.glob(f"{lab.db.name}*")}
        async with Follower(lab.db, deadline_s=DEADLINE_S) as seen:
            store = seen.store
            await seen.until(lambda: len(store.sessions) == 2, lambda: "both sessions")
            lab.prompt(drips, "lab:drip one", wait=False)
            await seen.until(lambda: bool(running(store, drips, "tool", "shell")), lambda: "the tool while it runs")
            assert (
                lab.query("select 1 from session_message where data like '%drip 10%' and session_id = ?", drips) == []
            )
            assert state(store, drips) in ACTIVE

            # A command of five seconds is running: what is handed in now has to wait.
            lab.prompt(drips, "lab:plain two, steers", wait=False)
            lab.prompt(drips, "lab:plain three, queued", wait=False, delivery="queue")
            handed_in = ["lab:drip one", "lab:plain two, steers", "lab:plain three, queued"]
            await seen.until(lambda: prompts(store, drips) == handed_in, lambda: f"waiting: {prompts(store, drips)}")
            assert bool(running(store, drips, "tool", "shell")), "they are shown while they wait"
            assert waiting(store, drips) == handed_in[1:]
            assert [prompt_of(lab, drips)] == [["lab:drip one"]]
            assert [turn.prompt_id for turn in turns(store, drips)] == [next(iter(session(store, drips).prompts))]

            lab.prompt(delegates, "lab:taskdrip go", wait=False)
            await seen.until(lambda: linked_and_busy(store, delegates), lambda: "the sub-agent under its call")
            child = child_of(store, delegates)
            assert child is not None
            (call,) = [call for turn in turns(store, delegates) for call in turn.ops.values() if call.tool == "task"][
                :1
            ]
            stored = lab.query("select data from session_message where id = ?", call.message_id)
            assert child.id not in str(stored), "the link was not in the call's row yet"

            await asyncio.to_thread(lab.wait_idle, drips)
            await asyncio.to_thread(lab.wait_idle, delegates)
            await seen.equals_cold_load()
            assert complaints(seen) == []
            # Each of them once, in the order in which they were answered, and none waits any more.
            assert prompts(store, drips) == prompt_of(lab, drips) == handed_in
            assert waiting(store, drips) == []
            asked = list(session(store, drips).prompts)
            assert {turn.prompt_id for turn in turns(store, drips)} == set(asked)
            # The sub-agent stayed where it was, and its call is now told by opencode itself.
            after = child_of(store, delegates)
            assert after is not None
            owner = store.task_op_of(after)
            assert owner is not None
            assert (owner.message_id, owner.part_id) == (call.message_id, call.part_id)
            assert (state(store, drips), state(store, delegates)) == ("idle", "idle")
            usages = [turn.usage for turn in turns(store, child.id)]
            columns = {found.id: (found.cost, found.usage) for found in store.sessions.values()}
        wanted = [(step["uncached_input"], step["visible_output"], step["cached"]) for step in expected("child-drip")]
        assert [(usage.input, usage.output, usage.cache_read) for usage in usages] == wanted
        assert {file.name for file in lab.db.parent.glob(f"{lab.db.name}*")} == names_before
        # What a session cost is what opencode says in its columns: with the requests for a title.
        for session_id, cost, *tokens in lab.query(
            "select id, cost, tokens_input, tokens_output, tokens_reasoning, tokens_cache_read from session"
        ):
            told_cost, told = columns[session_id]
            assert told is not None
            assert told_cost == pytest.approx(cost)
            assert [told.input, told.output, told.reasoning, told.cache_read] == tokens


def prompt_of(lab: Lab2x, session_id: str) -> list[str]:
    """The prompts that have reached a session's rows."""
    sql = "select data from session_message where session_id = ? and type = 'user' order by seq"
    return [json.loads(data)["text"] for (data,) in lab.query(sql, session_id)]


async def test_reading_what_the_preview_left_changes_no_byte(binary: Path, tmp_path: Path) -> None:
    with Lab2x(tmp_path, binary, delay=0.002) as lab:
        with lab.serve(signal.SIGKILL):
            lab.prompt(lab.session(), "lab:task2 please")
        before = everything(lab.data)
        assert f"{lab.db.name}-wal" in before, "without a WAL this test proves little"
        async with Follower(lab.db, deadline_s=DEADLINE_S) as seen:
            sessions = seen.store.sessions
            await seen.until(lambda: len(sessions) == 3 and all(found.turns for found in sessions.values()))
            uri = next(ref.uri for ref in seen.of(PayloadRef) if ref.payload_kind == "tool_response")
            assert (await seen.source.payload(uri)).size > 0
            await seen.equals_cold_load()
        after = everything(lab.data)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert changed <= {f"{lab.db.name}-shm"}


async def test_a_killed_server_is_told_as_one(binary: Path, tmp_path: Path) -> None:
    with Lab2x(tmp_path, binary, delay=0.005) as lab:
        with lab.serve(signal.SIGKILL):
            alone, delegates = lab.session(title="alone"), lab.session(title="delegates")
            lab.prompt(alone, "lab:slowtool one", wait=False)
            lab.prompt(delegates, "lab:taskslow go", wait=False)
            await asyncio.to_thread(lab.wait_tool, alone, "running")
            child_id = await asyncio.to_thread(lab.child_of, delegates)
            await asyncio.to_thread(lab.wait_tool, child_id, "running")
            lab.prompt(alone, "lab:plain two, waits", wait=False, delivery="queue")
        before = everything(lab.data)
        async with Follower(lab.db, deadline_s=DEADLINE_S) as seen:
            store = seen.store
            await seen.loaded(alone, delegates, child_id)
            # The rows say running for ever; right after the kill nobody can know better.
            for session_id in (alone, delegates, child_id):
                assert state(store, session_id) in ACTIVE
                assert state(store, session_id, 120 * MINUTE) == "orphaned"
            assert prompts(store, alone) == ["lab:slowtool one", "lab:plain two, waits"]
            assert waiting(store, alone) == ["lab:plain two, waits"]
            child = session(store, child_id)
            owner = store.task_op_of(child)
            assert owner is not None, "the sub-agent of a dead call stays under it"
            assert owner.status == "running"
            await seen.equals_cold_load()
            changed = {name for name, found in everything(lab.data).items() if before.get(name) != found}
            assert changed <= {f"{lab.db.name}-shm"}

            with lab.serve():
                await asyncio.to_thread(lab.prompt, alone, "lab:plain go on")
                await asyncio.to_thread(lab.prompt, delegates, "lab:plain go on")
                await asyncio.to_thread(lab.wait_idle, alone)
                await seen.equals_cold_load()
                assert complaints(seen) == []
                assert sorted(prompts(store, alone)) == sorted(
                    ["lab:slowtool one", "lab:plain two, waits", "lab:plain go on"]
                )
                assert prompts(store, alone) == prompt_of(lab, alone)
                assert waiting(store, alone) == []
                for session_id in (alone, delegates):
                    dead = turns(store, session_id)[0]
                    assert (dead.status, dead.finish) == ("aborted", "")
                    (call,) = [op for op in dead.ops.values() if op.kind == "tool"]
                    assert call.status == "cancelled"
                    assert "interrupted" in call.error_message
                    # Nobody ran while no server did: the next step's beginning is not this one's end.
                    following = turns(store, session_id)[1]
                    assert dead.end_ts < following.start_ts
                    assert state(store, session_id) == "idle"
                owner = store.task_op_of(session(store, child_id))
                assert owner is not None, "and when the next prompt has closed the call, too"
                assert owner.status == "cancelled"
                assert state(store, child_id) not in ACTIVE, "its call has ended"


@pytest.mark.parametrize("name", ["fork", "killed-on", "lifecycle", "background", "ask"])
def test_what_the_preview_wrote_is_shown_as_its_rows_say(binary: Path, tmp_path: Path, name: str) -> None:
    """Field by field, with databases that are made now: `tests/adapter/test_corpus_2x.py` has those of once."""
    path = recipes_2x.make(name, tmp_path, binary)
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = reference_2x.read(connection)
    assert any(session.steps for session in rows.values())
    seen = asyncio.run(Seen.of(path))
    assert unlike(rows, seen.sessions()) == []
    if name == "fork":
        whole, part = (session for session in rows.values() if session.fork_of)
        assert (whole.cost, whole.tokens) == (0.0, NO_TOKENS), "a fork that did nothing costs nothing"
        assert len(whole.steps) > len(part.steps) > 1
    if name == "killed-on":
        dead = [step for session in rows.values() for step in session.steps if step.status == "aborted"]
        assert [(step.finish, step.tokens, step.cost) for step in dead] == [("", NO_TOKENS, 0.0)] * 2
