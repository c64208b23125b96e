"""How long is waited: until something is written, then in short steps, as the commit may not be visible yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from adapter.sqlite.watch import EARLY_S, FAST_FOR_S, LATE_S, POLL_S, QUIET_TICK_S, TICK_S, Watch

Waits = Callable[[int], Awaitable[list[float]]]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A watch whose notifications are given by hand."""
    return Watch(tmp_path / "opencode.db")


@pytest.fixture
def waits(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Waits:
    """Waits so many times, at most 10 s each, and tells the seconds that each would have taken."""
    real = asyncio.timeout
    asked: list[float] = []

    def at_once(delay: float) -> asyncio.Timeout:
        asked.append(delay)
        return real(0)

    monkeypatch.setattr(asyncio, "timeout", at_once)

    async def wait(times: int) -> list[float]:
        asked.clear()
        for _ in range(times):
            assert await watch.wait(10) is False
        return list(asked)

    return wait


async def test_a_notification_is_looked_into_in_short_steps(watch: Watch, waits: Waits) -> None:
    assert await waits(2) == [10, 10]
    watch.notice()
    assert await watch.wait(10) is True
    assert await waits(6) == [*EARLY_S, 10]


async def test_a_notification_that_came_during_other_work_is_looked_into_as_well(watch: Watch, waits: Waits) -> None:
    watch.notice()
    watch.active()
    assert await watch.wait(10) is True
    assert await waits(2) == list(EARLY_S[:2])


async def test_the_next_notification_ends_a_short_step(watch: Watch, waits: Waits) -> None:
    watch.notice()
    assert await watch.wait(10) is True
    assert await waits(4) == list(EARLY_S[:4])
    watch.notice()
    assert await watch.wait(10) is True
    assert await waits(1) == [EARLY_S[0]]


async def test_once_the_commit_was_seen_one_more_look_is_enough(watch: Watch, waits: Waits) -> None:
    watch.notice()
    assert await watch.wait(10) is True
    watch.active()
    assert await waits(2) == [*LATE_S, 10]


async def test_a_nudge_is_no_notification(watch: Watch, waits: Waits) -> None:
    watch.nudge()
    assert await watch.wait(10) is True
    assert await waits(1) == [10]


async def test_without_notifications_the_file_is_looked_at_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = asyncio.timeout, []
    monkeypatch.setattr(asyncio, "timeout", lambda delay: (asked.append(delay), real(0))[1])
    assert await Watch(tmp_path / "opencode.db", notify=False).wait(10) is False
    assert asked == [POLL_S]


async def test_the_net_under_the_notifications_is_wider_after_a_minute_without_a_change(tmp_path: Path) -> None:
    moment = [100.0]
    watch = Watch(tmp_path / "opencode.db", clock=lambda: moment[0])
    assert watch.tick == TICK_S
    moment[0] += FAST_FOR_S
    assert watch.tick == QUIET_TICK_S
    watch.active()
    assert watch.tick == TICK_S


async def test_a_watch_ends_though_its_cancellation_got_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, lost = asyncio.Event(), asyncio.Event()

    async def deaf(*_places: Path, **_options: object) -> AsyncIterator[set[object]]:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if lost.is_set():
                raise
            lost.set()
            return
        yield set()

    monkeypatch.setattr("watchfiles.awatch", deaf)
    async with asyncio.timeout(5), Watch(tmp_path / "opencode.db") as watch:
        await watch.wait(0)
        await begun.wait()
    assert lost.is_set()


async def test_the_system_is_not_asked_before_somebody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def watching(*_places: Path, **_options: object) -> AsyncIterator[set[object]]:
        begun.set()
        await asyncio.Event().wait()
        yield set()

    monkeypatch.setattr("watchfiles.awatch", watching)
    async with asyncio.timeout(5), Watch(tmp_path / "opencode.db") as watch:
        for _ in range(5):
            await asyncio.sleep(0)
        assert not begun.is_set()
        await watch.wait(0)
        await begun.wait()
