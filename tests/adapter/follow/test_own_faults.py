"""A mistake of our own costs the session that it is about, and is told; the others go on, and the tail does not end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import adapter.follow.follower
from adapter.events import LogEntry, SessionStarted, SourceError, TurnStarted
from adapter.follow import memory, tracked, whole
from adapter.local import OpencodeSource
from tests.adapter.follow.helpers import Clocks, at_rest, quiet
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter
from tests.adapter.writer import now_ms


@pytest.fixture
def opencode(tmp_path: Path) -> Iterator[OpencodeWriter]:
    """A database with three sessions, the second of which is broken."""
    with OpencodeWriter(tmp_path / "opencode.db") as writer:
        for title in ("First", "Broken", "Last"):
            writer.user(writer.session(title))
        yield writer


def mistaken(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, session_id: str) -> None:
    """Makes a function of the mapping fail when it is about a session."""
    real = getattr(module, name)

    def failing(*arguments: Any) -> Any:
        if session_id in repr(arguments):
            raise ZeroDivisionError("a mistake")
        return real(*arguments)

    monkeypatch.setattr(module, name, failing)


def is_told(events: list[Any], session_id: str) -> None:
    """Once as an error of the source, once as a warning."""
    (error,) = [event for event in events if isinstance(event, SourceError)]
    assert error.row_id == session_id
    assert "ZeroDivisionError" in error.message
    (warning,) = [event for event in events if isinstance(event, LogEntry) and event.severity == "WRN"]
    assert warning.session_id == session_id


def titles(follower: Follower, session: str) -> str:
    found = follower.session(session)
    return found.title if found else ""


async def test_a_message_that_cannot_be_mapped_costs_its_session(
    opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, broken, last = opencode.sessions
    with monkeypatch.context() as patch:
        mistaken(patch, tracked, "map_message", broken)
        async with Follower(opencode.path) as follower:
            await follower.until(lambda: {k for b in follower.batches for k in b.loaded} == {first, broken, last})
            is_told(follower.events, broken)
            assert follower.source.health().warnings
            # While it is followed, too: the others go on, and so does what can be told of it.
            opencode.user(broken, "More.")
            opencode.assistant(last)
            await follower.until(lambda: any(e.session_id == last for e in follower.of(TurnStarted)))
            opencode.change_session(broken, title="Renamed")
            await follower.until(lambda: titles(follower, broken) == "Renamed")
            is_told(follower.events, broken)
            assert follower.source.health().state == "ok"
            # And when the mistake is gone it is whole again.
            patch.undo()
            opencode.user(broken, "And more.")
            await follower.equals_cold_load()


async def test_a_row_that_cannot_be_mapped_costs_its_session(
    opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, broken, last = opencode.sessions
    with monkeypatch.context() as patch:
        mistaken(patch, memory, "map_session", broken)
        async with Follower(opencode.path) as follower:
            await follower.loaded(first, last)
            await follower.until(lambda: broken in {k for b in follower.batches for k in b.loaded})
            opencode.change_session(broken, title="Renamed")
            opencode.change_session(last, title="Renamed")
            await follower.until(lambda: titles(follower, last) == "Renamed")
            is_told(follower.events, broken)
            assert follower.source.health().state == "ok"
            patch.undo()
            opencode.change_session(broken, title="Again")
            await follower.until(lambda: titles(follower, broken) == "Again")
            await follower.equals_cold_load()


async def test_an_end_that_cannot_be_understood_costs_its_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpencodeWriter(tmp_path / "opencode.db", ms=now_ms() - 86_400_000) as opencode:
        for number in range(6):
            opencode.assistant(opencode.session(f"Number {number}"), completed=1, finish="stop")
        # The newest three are loaded; of equal times the last ones are the oldest.
        broken = opencode.sessions[-1]
        mistaken(monkeypatch, adapter.follow.follower, "outcome", broken)
        async with Follower(opencode.path) as follower:
            await follower.until(lambda: follower.source.health().checked == 6)
            await at_rest(follower)
            is_told(follower.events, broken)
            await follower.loaded(*opencode.sessions)
            await follower.equals_cold_load()


async def test_a_comparison_that_fails_costs_its_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks()
    with OpencodeWriter(tmp_path / "opencode.db", "1.2.1") as opencode:
        broken, last = opencode.session("Broken"), opencode.session("Last")
        message = opencode.user(broken)
        for _ in range(4):
            opencode.user(broken)
        follower = Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic)
        async with quiet(follower, broken, last):
            with monkeypatch.context() as patch:
                mistaken(patch, tracked, "map_message", broken)
                opencode.commit(("UPDATE message SET data = '{}' WHERE id = ?", (message,)))
                clocks.pass_by(61.0)
                follower.nudge()
                await follower.until(lambda: bool(follower.of(SourceError)))
                is_told(follower.events, broken)
            opencode.change_session(last, title="Renamed")
            await follower.until(lambda: titles(follower, last) == "Renamed")
            clocks.pass_by(61.0)
            follower.nudge()
            await follower.equals_cold_load()


@pytest.mark.parametrize(("module", "name"), [(tracked, "map_message"), (whole, "map_session")])
async def test_a_scan_leaves_out_the_session_that_it_is_about(
    opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    first, broken, last = opencode.sessions
    mistaken(monkeypatch, module, name, broken)
    async with OpencodeSource(opencode.path, watch=False) as source:
        events = [event async for batch in source.stream() for event in batch.events]
    assert {event.session_id for event in events if isinstance(event, SessionStarted)} == {first, last}
    is_told(events, broken)
