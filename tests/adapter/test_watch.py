"""How long is waited: until something is written, then in short steps, as the commit may not be visible yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from adapter.pace import AT_ONCE, Beats
from adapter.sqlite import watch as module
from adapter.sqlite.watch import EARLY_S, EASY_FOR_S, LATE_S, POLL_S, QUIET_POLL_S, QUIET_TICK_S, TICK_S, Watch
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter

Waits = Callable[[int], Awaitable[list[float]]]


@pytest.fixture(autouse=True)
def asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows is about a watch that has begun."""
    monkeypatch.setattr(module, "ASKED_AFTER_S", 0.0)


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


async def test_until_the_system_is_asked_it_is_looked_in_short_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ASKED_AFTER_S", 0.3)
    moment = [100.0]
    async with asyncio.timeout(5), Watch(tmp_path / "opencode.db", clock=lambda: moment[0]) as watch:
        # A step is over long before the time that is given.
        assert await watch.wait(600) is False
        moment[0] += 0.3
        watch.nudge()
        assert await watch.wait(600) is True


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


def after(turns: int, beats: Beats) -> Beats:
    """The beats when so many turns have been taken."""
    for _ in range(turns):
        beats.taken()
    return beats


def under_load(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes were seen one after the other; the next beat is in 60 ms."""
    monkeypatch.setattr(watch, "_beats", after(AT_ONCE, Beats(lambda: 100.04)))
    watch.active()


async def test_under_load_the_look_after_a_commit_waits_for_the_beat(
    watch: Watch, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_load(watch, monkeypatch)
    assert await waits(2) == [pytest.approx(0.06), 10]


async def test_under_load_a_notification_waits_for_the_beat(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    under_load(watch, monkeypatch)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def changing(*_places: Path, **_options: object) -> AsyncIterator[set[object]]:
        yield {"a change"}
        await asyncio.Event().wait()

    monkeypatch.setattr("watchfiles.awatch", changing)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    async with asyncio.timeout(5), watch:
        assert await watch.wait(10) is True
    assert slept == [module.ASKED_AFTER_S, pytest.approx(0.06)]


async def test_under_load_without_notifications_the_file_is_looked_at_with_the_beat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(tmp_path / "opencode.db", notify=False)
    monkeypatch.setattr(watch, "_beats", after(AT_ONCE, Beats(lambda: 100.01)))
    asked: list[float] = []
    real = asyncio.timeout
    monkeypatch.setattr(asyncio, "timeout", lambda delay: (asked.append(delay), real(0))[1])
    assert await watch.wait(10) is False
    assert asked == [pytest.approx(0.09)]


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
    moment[0] += EASY_FOR_S
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


# -- when the system does not notify


class Refusing:
    """A system whose notifications are used up until `spare` is set."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.spare = False
        self.asked = asyncio.Event()
        self.tell = asyncio.Event()

    async def awatch(self, *_places: Path, **_options: object) -> AsyncIterator[set[object]]:
        self.asked.set()
        if not self.spare:
            raise self.error
        yield set()
        await self.tell.wait()
        yield {"a change"}
        await asyncio.Event().wait()


@pytest.fixture(params=[RuntimeError, OSError])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Refusing:
    found = Refusing(request.param("too many open files in system"))
    monkeypatch.setattr("watchfiles.awatch", found.awatch)
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    return found


async def test_a_system_that_does_not_notify_is_named_and_the_file_is_looked_at_often(
    tmp_path: Path, system: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 600.0)
    moment = [100.0]
    async with asyncio.timeout(5), Watch(tmp_path / "opencode.db", clock=lambda: moment[0]) as watch:
        assert watch.problem == ""
        # Whoever waits is woken at once: what was written while the watch was set up is seen by looking.
        assert await watch.wait(600) is True
        assert watch.problem == "polling: the system does not notify (too many open files in system)"
        assert watch._task is not None
        assert not watch._task.done()
        # Nobody notifies, and no wait lasts as long as it was asked for: else this would take ten minutes.
        assert await watch.wait(600) is False
        asked: list[float] = []
        real = asyncio.timeout
        monkeypatch.setattr(asyncio, "timeout", lambda delay: (asked.append(delay), real(0))[1])
        await watch.wait(10)
        moment[0] += EASY_FOR_S
        await watch.wait(10)
        assert asked == [POLL_S, QUIET_POLL_S]
        monkeypatch.undo()


async def test_notifications_come_back_when_the_system_has_some_again(
    tmp_path: Path, system: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(5), Watch(tmp_path / "opencode.db") as watch:
        assert await watch.wait(600) is True
        assert watch.problem
        for _ in range(3):
            # It is asked again and again.
            system.asked.clear()
            await system.asked.wait()
        system.spare = True
        while watch.problem:
            await watch.wait(600)
        noticed = asyncio.Event()
        monkeypatch.setattr(watch, "notice", noticed.set)
        system.tell.set()
        await noticed.wait()
        assert watch._task is not None
        assert not watch._task.done()


async def test_a_tail_without_notifications_says_so_and_hears_every_commit(tmp_path: Path, system: Refusing) -> None:
    words = "polling: the system does not notify (too many open files in system)"
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session("first")
        async with Follower(opencode.path) as follower:
            # Though nothing is committed.
            await follower.until(lambda: any(batch.health.watching == words for batch in follower.batches))
            await follower.loaded(session)
            for number in range(5):
                opencode.change_session(session, title=f"Title {number}")
                await follower.equals_cold_load()
            assert follower.batches[-1].health.watching == words
            system.spare = True
            await follower.until(lambda: follower.batches[-1].health.watching == "")
            assert follower.source.health().state == "ok"
