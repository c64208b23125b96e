"""Clocks that jump, times that lie: comparisons come, and what is said of lag and last change holds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.adapter.follow.helpers import Clocks, at_rest, quiet
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter, tool
from tests.adapter.writer import now_ms

HOUR_S = 3600.0


@pytest.mark.parametrize("step", [-HOUR_S, HOUR_S], ids=["back", "forward"])
async def test_a_clock_that_is_set_puts_no_comparison_off(tmp_path: Path, step: float) -> None:
    clocks = Clocks()
    with OpencodeWriter(tmp_path / "opencode.db", "1.15.13", events=False, ms=now_ms() - 7_200_000) as opencode:
        old = opencode.session("Before")
        opencode.user(old)
        opencode.ms = None
        live = opencode.session("Live")
        follower = Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic)
        async with quiet(follower, old, live):
            clocks.wall_ahead = step
            opencode.change_session(old, title="After")
            await follower.until(lambda: getattr(follower.session(old), "title", "") == "After")


async def test_a_rename_of_an_old_session_is_no_late_change_and_no_earlier_one(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db", ms=now_ms() - 7_200_000) as opencode:
        old = opencode.session("Old")
        opencode.user(old)
        opencode.ms = None
        new = opencode.session("New")
        async with quiet(Follower(opencode.path), old, new) as follower:
            opencode.user(new, "Just now.")
            await follower.equals_cold_load()
            before = follower.source.health()
            assert time.time() - before.last_change < 60
            opencode.change_session(old, title="Renamed")
            await follower.until(lambda: getattr(follower.session(old), "title", "") == "Renamed")
            await at_rest(follower)
            after = follower.source.health()
            assert after.last_change >= before.last_change
            assert after.lag_ms < 60_000
            assert after.lag_p99_ms < 60_000


@pytest.mark.parametrize("turn", [0, 1, 2])
async def test_a_rewrite_in_the_same_millisecond_of_an_older_turn_is_found_after_a_minute_of_activity(
    tmp_path: Path, turn: int
) -> None:
    """Of four turns that were written in one millisecond the two newest are looked at at every commit."""
    clocks = Clocks()
    with OpencodeWriter(tmp_path / "opencode.db", "1.15.13", events=False, ms=now_ms()) as opencode:
        session = opencode.session()
        messages = [opencode.assistant(session, completed=1, finish="stop") for _ in range(4)]
        parts = [opencode.part(message, tool("completed", output="old")) for message in messages]
        follower = Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic)
        async with quiet(follower, session):
            opencode.part(messages[turn], tool("completed", output="rewritten", title="rewritten"), parts[turn])
            clocks.pass_by(61.0)
            # Activity anywhere else.
            opencode.commit(("UPDATE project SET time_updated = time_updated + 1", ()))
            await follower.equals_cold_load()
