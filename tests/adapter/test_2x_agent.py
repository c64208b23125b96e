"""Sessions of 2.x whose row names no agent and no model, as that of every `run`: their newest step does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.adapter.follower import Follower, cold_store
from tests.adapter.writer import now_ms
from tests.adapter.writer_2x import Writer2x, step
from tests.adapter.writer_preview import WriterPreview
from tui.model.filter.cards import Index
from tui.model.filter.language import parse, search
from tui.model.records import Session
from tui.model.store.store import Store

TEXT = {"type": "text", "text": "Hello."}
OTHER = {"agent": "plan", "model": {"id": "mock-2", "providerID": "lab"}}


def who(session: Session | None) -> tuple[str, str, str]:
    assert session is not None
    return session.agent, session.model, session.provider_alias


@pytest.mark.parametrize("writer", [WriterPreview, Writer2x])
async def test_agent_and_model_are_those_of_the_newest_step(tmp_path: Path, writer: Any) -> None:
    with writer(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        async with Follower(opencode.path) as follower:
            await follower.loaded(session)
            assert who(follower.session(session)) == ("", "", "")
            opencode.prompt(session)
            opencode.add(session, "assistant", step(TEXT, completed=2000))
            await follower.equals_cold_load()
            assert who(follower.session(session)) == ("build", "mock-1", "mock")
            opencode.add(session, "assistant", step(TEXT, completed=3000, **OTHER))
            # Neither of these is a step of the model.
            opencode.add(session, "shell", {"command": "ls", "status": "exited", "exit": 0, "time": {"created": 4000}})
            opencode.add(session, "compaction", {"status": "completed", "summary": "x", "time": {"created": 5000}})
            await follower.equals_cold_load()
            assert who(follower.session(session)) == ("plan", "mock-2", "lab")
            columns = {"agent": "review", "model": '{"id":"mock-3","providerID":"own"}'}
            opencode.change_session(session, **columns)
            await follower.equals_cold_load()
            assert who(follower.session(session)) == ("review", "mock-3", "own")


async def test_filters_find_a_session_that_was_not_read(tmp_path: Path) -> None:
    with Writer2x(tmp_path / "opencode.db") as opencode:
        for number in range(6):
            opencode.ms = now_ms() - 86_400_000 + number * 1000
            session = opencode.session(f"Session {number}")
            opencode.prompt(session)
            fields = OTHER if number == 0 else {}
            opencode.add(session, "assistant", step(TEXT, completed=2000, **fields))
            opencode.add(session, "idle", {"outcome": "succeeded", "time": {"created": 3000}})
        async with Follower(opencode.path) as follower:
            oldest = opencode.sessions[0]
            await follower.until(lambda: (one := follower.session(oldest)) is not None and one.agent == "plan")
            assert not follower.session(oldest).loaded  # type: ignore[union-attr]
            assert found(follower.store, "agent:plan") == found(follower.store, "model:mock-2") == {oldest}
            assert found(follower.store, "provider:lab") == {oldest}
        assert found(await cold_store(opencode.path), "agent:plan") == {oldest}


def found(store: Store, query: str) -> set[str]:
    index = Index(store)
    index.fill(0)
    return {key[1] for key in search(parse(query, 0), index.cards.values()).cards}
