"""Real opencode 1.18.33 writes, we watch: the model converges, shows what runs while it runs, nothing is touched."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from adapter.events import LogEntry, PayloadRef, SourceError
from tests.adapter.follower import Follower
from tests.lab import opencode_binary
from tests.lab.driver import Lab
from tests.lab.scenarios import expected
from tui.model.records import Op, Session
from tui.model.store.store import Store

pytestmark = pytest.mark.opencode

DEADLINE_S = 60.0
"""opencode's first prompt takes seconds on a busy machine."""
CHECKPOINT_BYTES = 1000 * 4096


@pytest.fixture(scope="module")
def binary() -> Path:
    return opencode_binary.require()


def fingerprint(directory: Path) -> dict[str, tuple[int, int, str]]:
    """Size, mtime and hash of every file of a directory."""
    return {
        file.name: (file.stat().st_size, file.stat().st_mtime_ns, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in directory.iterdir()
        if file.is_file()
    }


def session(store: Store, session_id: str) -> Session:
    """A session of the only source."""
    return next(found for (_, identifier), found in store.sessions.items() if identifier == session_id)


def running(store: Store, session_id: str, kind: str, name: str) -> Op | None:
    """A running op of a session, by kind and tool."""
    ops = (op for turn in session(store, session_id).turns.values() for op in turn.ops.values())
    return next((op for op in ops if (op.kind, op.name, op.status) == (kind, name, "running")), None)


def output_bytes(store: Store, session_id: str) -> int:
    """What the running bash of a session has printed so far, in bytes."""
    op = running(store, session_id, "tool", "bash")
    return int(op.extras.get("output_bytes", 0)) if op else 0


def child_of(store: Store, session_id: str) -> Session | None:
    return next((session for session in store.sessions.values() if session.parent_id == session_id), None)


def linked_and_busy(store: Store, session_id: str) -> bool:
    """A sub-agent hangs under its call, and neither the call nor the sub-agent has ended."""
    child = child_of(store, session_id)
    if child is None:
        return False
    call = store.task_op_of(child)
    ended = [turn for turn in child.turns.values() if turn.status != "running" and turn.finish == "stop"]
    return call is not None and call.status == "running" and bool(child.turns) and not ended


async def _equals_cold_load(seen: Follower) -> None:
    """As `Follower.equals_cold_load`. opencode writes to a session's row once more a second after its answer, which a
    cold load may have come before: then it is compared with another one."""
    seen.deadline_s = 20.0
    for _ in range(2):
        try:
            return await seen.equals_cold_load()
        except AssertionError:
            continue
    await seen.equals_cold_load()


async def test_watching_real_opencode_live(binary: Path, tmp_path: Path) -> None:
    with Lab(tmp_path, binary, delay=0.03) as lab, lab.serve():
        with_tool, with_task = lab.session(title="drips"), lab.session(title="delegates")
        names_before = {file.name for file in lab.db.parent.glob(f"{lab.db.name}*")}
        async with Follower(lab.db, deadline_s=DEADLINE_S) as seen:
            store = seen.store
            await seen.until(lambda: len(store.sessions) == 2, lambda: "both sessions")
            lab.prompt(with_tool, "lab:drip slowly", wait=False)
            await seen.until(lambda: bool(running(store, with_tool, "tool", "bash")), lambda: "the tool while it runs")
            await seen.until(lambda: output_bytes(store, with_tool) > 0, lambda: "its output while it grows")
            lab.prompt(with_task, "lab:task go", wait=False)
            await seen.until(lambda: linked_and_busy(store, with_task), lambda: "the sub-agent under its call")
            await asyncio.to_thread(lab.wait_idle, with_tool)
            await asyncio.to_thread(lab.wait_idle, with_task)
            await _equals_cold_load(seen)
            complaints = [event for event in seen.of(LogEntry) if event.severity in ("WRN", "ERR")]
            assert complaints + seen.of(SourceError) == []
            usages = [turn.usage for turn in session(store, with_tool).turns.values()]
        # opencode itself makes other things beside its database, such as `snapshot/`.
        assert {file.name for file in lab.db.parent.glob(f"{lab.db.name}*")} == names_before
        wanted = [(step["uncached_input"], step["visible_output"], step["cached"]) for step in expected("drip")]
        assert [(usage.input, usage.output, usage.cache_read) for usage in usages] == wanted


async def test_reading_what_opencode_left_changes_no_byte(binary: Path, tmp_path: Path) -> None:
    with Lab(tmp_path, binary, delay=0.002) as lab:
        lab.run("lab:task2 please")
        before = fingerprint(lab.db.parent)
        assert f"{lab.db.name}-wal" in before, "opencode leaves its WAL; without it this test proves little"
        async with Follower(lab.db, deadline_s=DEADLINE_S) as seen:
            sessions = seen.store.sessions
            await seen.until(lambda: len(sessions) == 3 and all(found.turns for found in sessions.values()))
            uri = next(ref.uri for ref in seen.of(PayloadRef) if ref.payload_kind == "tool_response")
            assert (await seen.source.payload(uri)).size > 0
            await seen.equals_cold_load()
        assert fingerprint(lab.db.parent) == before


async def test_real_opencode_writes_as_if_nobody_watched(binary: Path, tmp_path: Path) -> None:
    with Lab(tmp_path, binary, delay=0.0) as lab, lab.serve():
        session_id = lab.session(title="writes much")
        async with Follower(lab.db, deadline_s=DEADLINE_S) as seen:
            await seen.loaded(session_id)
            for _ in range(12):
                await asyncio.to_thread(lab.prompt, session_id, "lab:big please")
                # How much of the WAL has been moved to the file when a prompt ends is a matter of chance.
                if lab.db.stat().st_size > 2 * CHECKPOINT_BYTES:
                    break
            await _equals_cold_load(seen)
            health = seen.source.health()
        # opencode checkpoints every 1,000 pages of 4 kB: the WAL starts again each time, unless a reader holds it.
        assert lab.db.stat().st_size > 2 * CHECKPOINT_BYTES, "too little was written to prove anything"
        assert health.wal_size < 1.5 * CHECKPOINT_BYTES
        assert health.longest_read_ms < 250
        log = "".join(file.read_text("utf-8", "replace") for file in (lab.data / "log").iterdir())
        assert "level=INFO" in log
        assert [line for line in log.splitlines() if "BUSY" in line or "database is locked" in line] == []
