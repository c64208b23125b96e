"""Real opencode 1.18.33 writes, we watch: the model converges, shows what runs while it runs, nothing is touched."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.events import LogEntry, SourceError
from adapter.source import OpencodeSource
from tests.following import cold_load, following
from tests.lab import opencode_binary
from tests.lab.driver import Lab
from tests.lab.scenarios import expected
from tui.model.nodes import Op, Session
from tui.model.store import Store

pytestmark = pytest.mark.opencode


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


def plain(store: Store) -> dict[str, Any]:
    """What a store holds, as plain values that compare by content."""
    fields = [name for name in Session.__struct_fields__ if name != "logs"]
    return {
        key[1]: {name: msgspec.to_builtins(getattr(session, name), str_keys=True) for name in fields}
        for key, session in store.sessions.items()
    }


def running(store: Store, session_id: str, kind: str, name: str) -> Op | None:
    """A running op of a session, by kind and tool."""
    for (_, identifier), session in store.sessions.items():
        if identifier == session_id:
            for turn in session.turns.values():
                for op in turn.ops.values():
                    if op.kind == kind and op.name == name and op.status == "running":
                        return op
    return None


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


async def test_watching_real_opencode_live(binary: Path, tmp_path: Path) -> None:
    with Lab(tmp_path, binary, delay=0.03) as lab, lab.serve():
        with_tool, with_task = lab.session(title="drips"), lab.session(title="delegates")
        names_before = {file.name for file in lab.db.parent.glob(f"{lab.db.name}*")}
        async with following(OpencodeSource(lab.db)) as seen:
            await seen.until("both sessions", lambda store: len(store.sessions) == 2)
            lab.prompt(with_tool, "lab:drip slowly", wait=False)
            await seen.until("the tool while it runs", lambda store: running(store, with_tool, "tool", "bash"))
            await seen.until("the tool's output while it grows", lambda store: output_bytes(store, with_tool) > 0)
            lab.prompt(with_task, "lab:task go", wait=False)
            await seen.until("the sub-agent under its call", lambda store: linked_and_busy(store, with_task))
            await asyncio.to_thread(lab.wait_idle, with_tool)
            await asyncio.to_thread(lab.wait_idle, with_task)
            cold = plain(await cold_load(OpencodeSource(lab.db)))
            await seen.until("the same as a cold load", lambda store: plain(store) == cold)
            complaints = [
                event for event in seen.events
                if isinstance(event, SourceError) or (isinstance(event, LogEntry) and event.severity in ("WRN", "ERR"))
            ]  # fmt: skip
        assert complaints == []
        # opencode itself makes other things beside its database, such as `snapshot/`.
        assert {file.name for file in lab.db.parent.glob(f"{lab.db.name}*")} == names_before
        steps = [turn["usage"] for turn in cold[with_tool]["turns"].values()]
        wanted = [
            {"input": step["uncached_input"], "output": step["visible_output"], "cache_read": step["cached"]}
            for step in expected("drip")
        ]
        assert [{key: step[key] for key in wanted[0]} for step in steps] == wanted


async def test_reading_what_opencode_left_changes_no_byte(binary: Path, tmp_path: Path) -> None:
    with Lab(tmp_path, binary, delay=0.002) as lab:
        lab.run("lab:task2 please")
        before = fingerprint(lab.db.parent)
        assert f"{lab.db.name}-wal" in before, "opencode leaves its WAL; without it this test proves little"
        source = OpencodeSource(lab.db)
        async with following(source) as seen:
            await seen.until("a whole run", lambda store: len(store.sessions) == 3)
            await seen.until("every session's turns", lambda store: all(s.turns for s in store.sessions.values()))
            reference = next(
                payload
                for session in seen.store.sessions.values()
                for turn in session.turns.values()
                for op in turn.ops.values()
                for payload in op.payloads.values()
            )
            assert (await source.payload(reference.uri)).size > 0
        assert len(plain(await cold_load(OpencodeSource(lab.db)))) == 3
        assert fingerprint(lab.db.parent) == before
