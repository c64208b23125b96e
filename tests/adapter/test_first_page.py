"""A start on many sessions tells those of the first screen full before it has read them all, and nothing twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from adapter.events import SessionFinalized, SessionStarted, SourceProgress
from adapter.follow.follower import FIRST_PAGE, NEWEST_LOADED
from adapter.local import OpencodeSource
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter


def store(path: Path, roots: int, version: str = "1.18.33") -> list[str]:
    """So many sessions, the newest with a sub-agent that is newer; the roots, newest first."""
    with OpencodeWriter(path, version) as opencode:
        began = 1_790_000_000_000
        sessions = [opencode.session(f"Session {n}", time_updated=began + n) for n in range(roots)]
        opencode.session("A sub-agent", parent=sessions[-1], time_updated=began + roots)
    return sessions[::-1]


@pytest.mark.parametrize("version", ["1.18.33", "1.2.1"])
async def test_the_newest_sessions_are_told_first_and_all_of_them_once(tmp_path: Path, version: str) -> None:
    path = tmp_path / "opencode.db"
    roots = store(path, FIRST_PAGE + 5, version)
    async with Follower(path) as follower:
        await follower.until(lambda: len(follower.batches) >= 2)
        first, catalogue = follower.batches[:2]
        assert [event.session_id for event in first.events if isinstance(event, SessionStarted)] == roots[:FIRST_PAGE]
        assert len(first.events) == FIRST_PAGE
        assert (first.health.listing, catalogue.health.listing) == (True, False)
        told = Counter(event.session_id for event in catalogue.events if isinstance(event, SessionStarted))
        assert told.keys() > set(roots[FIRST_PAGE:])
        assert told.total() == 6
        await follower.equals_cold_load()
        # Who went on from the first page would never hear of the others, and who did from the catalogue not how they
        # ended.
        cursors = [isinstance(batch.events[-1], SourceProgress) for batch in follower.batches if batch.events]
        assert cursors[:2] == [False, False]
        assert cursors[-1]


async def test_what_fits_on_a_page_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    roots = store(path, FIRST_PAGE - 1)
    async with Follower(path) as follower:
        await follower.until(lambda: len(follower.batches) >= 1)
        first = follower.batches[0]
        assert {event.session_id for event in first.events if isinstance(event, SessionStarted)} > set(roots)
        assert not isinstance(first.events[-1], SourceProgress)
        assert not first.health.listing
        await follower.until(lambda: any(isinstance(one, SourceProgress) for one in follower.events))


async def test_who_looks_once_hears_how_every_session_ended_also_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    failure = {"name": "APIError", "data": {"message": "overloaded"}}
    with OpencodeWriter(path) as opencode:
        began = 1_790_000_000_000
        sessions = [opencode.session(f"Session {n}", time_updated=began + n) for n in range(FIRST_PAGE + 10)]
        for session in sessions:
            opencode.assistant(session, error=failure, completed=began + 1000)
            opencode.change_session(session, time_updated=began + sessions.index(session))
    async with OpencodeSource(path, watch=False) as source:
        events = [event async for batch in source.glance() for event in batch.events]
    started = Counter(event.session_id for event in events if isinstance(event, SessionStarted))
    failed = {event.session_id for event in events if isinstance(event, SessionFinalized) and event.status == "failed"}
    assert failed == set(sessions)
    # Beside those that are loaded whole none is told twice.
    assert sum(count - 1 for count in started.values()) <= NEWEST_LOADED
