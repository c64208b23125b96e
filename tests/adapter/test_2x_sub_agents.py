"""Sub-agents in the rows of 2.x: while the call runs, when it fails or is stopped, and after a server died."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.adapter.follower import Follower, cold_store
from tests.adapter.writer import now_ms
from tests.adapter.writer_2x import Writer2x, call, step
from tests.adapter.writer_preview import WriterPreview
from tui.commands.tree_json import tops, tree_objects, tree_text
from tui.model.status.state import session_state
from tui.model.store.store import Store

TEXT = {"type": "text", "text": "Hello."}
INPUT = {"description": "Read the file", "prompt": "Read hello.txt.", "agent": "general"}


def delegates(status: str, **fields: Any) -> dict[str, Any]:
    """A call of `subagent` as its row has it."""
    return call(status, "subagent", ran=now_ms(), input=INPUT, **fields)


@pytest.mark.parametrize("writer", [WriterPreview, Writer2x])
async def test_a_child_hangs_under_its_running_call_and_stays_there(tmp_path: Path, writer: Any) -> None:
    with writer(tmp_path / "opencode.db") as opencode:
        parent = opencode.session("Parent")
        opencode.prompt(parent)
        running = delegates("running", metadata={})
        message = opencode.add(parent, "assistant", step(running))
        async with Follower(opencode.path) as follower:
            await follower.loaded(parent)
            child = opencode.session("Read the file", parent, agent="general")
            opencode.prompt(child, "You are a subagent. Read hello.txt.")
            await follower.equals_cold_load()
            called = follower.store.call_key(follower.session(child))  # type: ignore[arg-type]
            assert called is not None
            assert called.id == f"{message}:tool0:tool"
            cold = await cold_store(opencode.path)
            assert called_in_cold_load(cold, child) == called.id
            told = next(one for one in tree_objects(cold, tops(cold), 0) if one["id"] == parent)
            assert [op["child_session_id"] for op in told["turns"][0]["ops"] if op["kind"] == "tool"] == [child]
            inner = {"sessionID": child, "status": "completed"}
            done = delegates("completed", completed=now_ms(), content=[TEXT], metadata=inner)
            opencode.rewrite(message, step(done))
            await follower.equals_cold_load()
            assert follower.store.call_key(follower.session(child)) == called  # type: ignore[arg-type]


def called_in_cold_load(store: Store, child: str) -> str:
    found = next(store.call_key(one) for one in store.sessions.values() if one.id == child)
    return found.id if found else ""


@pytest.mark.parametrize(
    "metadata",
    ['{"metadata": {"sessionID": "CHILD", "status": "running"}}', '{"sessionID": "CHILD"}', "{}"],
    ids=["one level deeper, as the preview has it", "flat, as released", "none, after a kill"],
)
async def test_a_call_that_failed_or_was_stopped_keeps_its_child(tmp_path: Path, metadata: str) -> None:
    with WriterPreview(tmp_path / "opencode.db") as opencode:
        parent = opencode.session("Parent")
        opencode.prompt(parent)
        opencode.ms = now_ms()
        child = opencode.session("Read the file", parent, agent="general")
        opencode.prompt(child, "You are a subagent. Read hello.txt.")
        inner = call("running", ran=now_ms(), input={"command": "sleep 45"}, metadata={})
        opencode.add(child, "assistant", step(inner, created=now_ms()))
        named = json.loads(metadata.replace("CHILD", child))
        error = {"type": "aborted", "message": "Tool execution interrupted: subagent"}
        stopped = delegates("error", completed=now_ms() + 60_000, metadata=named, error=error)
        stopped["time"]["ran"] = opencode.ms
        opencode.add(parent, "assistant", step(stopped, created=opencode.ms))
        store = await cold_store(opencode.path)
        kid = next(one for one in store.sessions.values() if one.id == child)
        assert store.call_key(kid) is not None
        state = session_state(store, kid, now_ms() * 1000)
        assert (state.name, "Tool execution interrupted: subagent" in state.reason) == ("orphaned", True)
        lines = [line.strip() for line in tree_text(store, tops(store), now_ms() * 1000)]
        assert any("subagent  Read the file  general" in line for line in lines)
