"""What is no step and no prompt in 2.x, and what went on in the background, is called what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapter.follower import Follower, cold_store
from tests.adapter.writer import now_ms
from tests.adapter.writer_2x import Writer2x, call, step
from tests.adapter.writer_preview import WriterPreview
from tui.commands.tree_json import tops, tree_text
from tui.model.records import Row, op_key
from tui.model.status.state import is_open, op_state, session_state
from tui.render.lines import plain
from tui.render.rows.tree_row import cells_of

TEXT = {"type": "text", "text": "Hello."}
MINUTE = 60_000_000


async def test_a_summary_a_command_and_notices_are_no_steps_and_no_prompts(tmp_path: Path) -> None:
    with Writer2x(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        opencode.prompt(session, "Go.")
        at = now_ms()
        opencode.add(session, "assistant", step(TEXT, created=at, completed=at))
        summary = {"status": "completed", "reason": "auto", "summary": "x", "time": {"created": at}}
        opencode.add(session, "compaction", summary)
        opencode.add(session, "shell", {"command": "ls", "status": "exited", "exit": 0, "time": {"created": now_ms()}})
        about = {"source": "subagent", "childID": "ses_x", "state": "failed"}
        opencode.add(session, "synthetic", {"text": "<subagent …", "description": "Work aside", "metadata": about})
        opencode.add(session, "assistant", step(TEXT, created=now_ms(), completed=now_ms()))
        opencode.add(session, "synthetic", {"text": "Plan mode is on."})
        store = await cold_store(opencode.path)
        lines = [line.strip()[2:] for line in tree_text(store, tops(store), now_ms() * 1000)]
        assert [line.partition("  ")[0] for line in lines[1:]] == [
            "prompt: Go.",
            "step 1",
            "compaction auto",
            "command",
            "shell",
            "sub-agent failed: Work aside",
            "step 4",
            "notice: Plan mode is on.",
        ]


@pytest.mark.parametrize("state", ["running", "completed"])
async def test_a_call_keeps_the_name_that_its_version_gives_it(tmp_path: Path, state: str) -> None:
    with WriterPreview(tmp_path / "opencode.db") as opencode:
        parent = opencode.session("Parent")
        opencode.prompt(parent)
        opencode.ms = now_ms()
        child = opencode.session("Look", parent, agent="general")
        asked = {"description": "Look", "prompt": "Look.", "agent": "general"}
        named = {"sessionID": child, "status": "completed"} if state == "completed" else {}
        ran = call(state, "subagent", ran=opencode.ms, completed=opencode.ms + 1, input=asked, metadata=named)
        opencode.add(parent, "assistant", step(ran, created=opencode.ms))
        store = await cold_store(opencode.path)
        kid = next(one for one in store.sessions.values() if one.id == child)
        key = store.call_key(kid)
        assert key is not None
        cells = cells_of(store, Row(key, 2, ""), opencode.ms * 1000)
        assert plain(cells.words).startswith("subagent  Look")


@pytest.mark.parametrize("by_status", [True, False], ids=["released", "preview"])
async def test_a_command_in_the_background_goes_on_until_its_notice(tmp_path: Path, by_status: bool) -> None:
    with Writer2x(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        opencode.prompt(session)
        said = {"shellID": "sh_1", **({"status": "running"} if by_status else {})}
        at = now_ms()
        aside = call("completed", created=at, ran=at, completed=at, input={"command": "sleep 3"}, metadata=said)
        opencode.add(session, "assistant", step(aside, created=at, completed=at, finish="tool-calls"))
        opencode.add(session, "assistant", step(TEXT, created=at, completed=at))
        opencode.change_session(session, time_idle=now_ms(), idle_outcome="succeeded")
        async with Follower(opencode.path) as follower:
            await follower.loaded(session)
            found = follower.session(session)
            assert found is not None
            (op,) = [op for turn in found.turns.values() for op in turn.ops.values() if op.kind == "tool"]
            for state in (
                session_state(follower.store, found, (at + 60_000) * 1000),
                op_state(follower.store, found, op, (at + 60_000) * 1000),
            ):
                assert (state.name, state.inferred, state.subject) == ("tool", True, "shell")
                assert "put into the background 1m ago, and its end has not been told" in state.reason
            assert is_open(found)
            assert any(
                "shell  sleep 3  in the background  [tool?" in line
                for line in tree_text(follower.store, tops(follower.store), at * 1000)
            )
            assert plain(cells_of(follower.store, Row(op_key(found, op), 2, ""), at * 1000).flags).count("background")
            # Hours later only its own row says it.
            assert session_state(follower.store, found, at * 1000 + 300 * MINUTE).name == "idle"
            assert op_state(follower.store, found, op, at * 1000 + 300 * MINUTE).name == "completed"
            about = {"source": "shell", "state": "completed"}
            name = "sh_1" if by_status else "call_1"
            text = f'<shell id="{name}" state="completed" command="sleep 3">\n</shell>'
            opencode.add(session, "synthetic", {"text": text, "description": "sleep 3", "metadata": about})
            opencode.add(session, "assistant", step(TEXT, created=at, completed=at))
            await follower.equals_cold_load()
            assert session_state(follower.store, found, (at + 60_000) * 1000).name == "idle"
            assert op_state(follower.store, found, op, (at + 60_000) * 1000).name == "completed"
