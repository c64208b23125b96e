"""A session that was let go: silent but for its row, told whole when something in it changes, never lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.follow.reconcile import QUIET_S
from tests.adapter.follow.helpers import Clocks
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter, tool


@pytest.fixture(params=["1.18.33", "1.2.1"])
def opencode(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpencodeWriter]:
    with OpencodeWriter(tmp_path / "opencode.db", request.param) as writer:
        yield writer


def ended(opencode: OpencodeWriter, **fields: object) -> tuple[str, str]:
    """A session with one answer that has ended; the session and its part."""
    session = opencode.session("Ended")
    message = opencode.assistant(session, opencode.user(session), completed=1, finish="stop", **fields)
    return session, opencode.part(message, tool("completed", output="done"))


async def let_go(follower: Follower, clocks: Clocks, session: str) -> None:
    """Releases a session that nothing has happened to for long."""
    clocks.pass_by(QUIET_S + 1)
    follower.source.release(session)
    await follower.until(lambda: follower.batches[-1].released == [session])
    follower.store.unload(follower.source.source, session)


async def test_a_change_in_a_released_session_brings_it_back_whole(opencode: OpencodeWriter) -> None:
    session, part = ended(opencode)
    clocks = Clocks()
    async with Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic) as follower:
        await follower.loaded(session)
        await let_go(follower, clocks, session)
        assert follower.source._follower.memory.tracked(session) is None
        opencode.user(session, "And another thing.")
        await follower.until(lambda: session in follower.batches[-1].loaded)
        found = follower.session(session)
        assert found is not None
        assert len(found.prompts) == 2
        opencode.part(opencode.parts[part], tool("completed", output="more"), part)
        await follower.equals_cold_load()


async def test_the_row_of_a_released_session_is_kept_up_to_date(opencode: OpencodeWriter) -> None:
    session, _ = ended(opencode)
    clocks = Clocks()
    async with Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic) as follower:
        await follower.loaded(session)
        await let_go(follower, clocks, session)
        opencode.change_session(session, title="Renamed", time_updated=int(time.time() * 1000))
        await follower.until(lambda: getattr(follower.session(session), "title", "") == "Renamed")
        opencode.remove_session(session)
        await follower.until(lambda: follower.session(session) is None)


async def test_a_released_session_stays_failed(opencode: OpencodeWriter) -> None:
    session, _ = ended(opencode, error={"name": "APIError", "data": {"message": "no"}})
    clocks = Clocks()
    async with Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic) as follower:
        await follower.loaded(session)
        await let_go(follower, clocks, session)
        opencode.change_session(session, title="Renamed", time_updated=int(time.time() * 1000))
        await follower.until(lambda: getattr(follower.session(session), "title", "") == "Renamed")
        found = follower.session(session)
        assert found is not None
        assert (found.final_status, found.error_class) == ("failed", "APIError")


async def test_what_has_just_changed_or_is_wanted_again_is_not_let_go(opencode: OpencodeWriter) -> None:
    session, _ = ended(opencode)
    clocks = Clocks()
    async with Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic) as follower:
        await follower.loaded(session)
        inner = follower.source._follower
        told = len(follower.batches)
        follower.source.release(session)
        await follower.until(lambda: len(follower.batches) > told and not inner._unwanted)
        assert inner.memory.tracked(session)
        clocks.pass_by(QUIET_S + 1)
        told = len(follower.batches)
        follower.source.release(session)
        follower.source.request(session)
        await follower.until(lambda: any(session in batch.loaded for batch in follower.batches[told:]))
        assert inner.memory.tracked(session)
        assert not any(batch.released for batch in follower.batches)
        await follower.equals_cold_load()
