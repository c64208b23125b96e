"""What has arrived: applied in order within a budget, nothing lost, and nobody wakes up when there is nothing to do."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from msgspec.structs import replace

from adapter.health import Health
from adapter.pace import AT_ONCE, BEAT_S
from tests.tui import story
from tests.tui.listener import Listener, many
from tests.tui.stage import health, until
from tests.tui.story import NOW, SOURCE
from tui.feed import queue as queues
from tui.feed.queue import Answer, Arrival, Arrivals
from tui.model.store.store import Store


async def test_the_listener_is_told_once_for_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "BUDGET", 60.0)
    listener = Listener()
    arrivals = Arrivals(Store(), listener, lambda: NOW)
    for n in range(50):
        arrivals.offer(Arrival(SOURCE, many(1, n)))
    arrivals.apply()
    assert len(listener.changes) == 1
    assert len(arrivals.store.sessions) == 50


async def test_one_wake_up_is_scheduled_however_much_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy machine must not stop the application half way.
    monkeypatch.setattr(queues, "BUDGET", 60.0)
    arrivals = Arrivals(Store(), Listener(), lambda: NOW)
    arrivals.attach()
    wakes: list[Any] = []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *args, **_: wakes.append(args))
    for n in range(10):
        arrivals.offer(Arrival(SOURCE, many(1, n)))
    assert len(wakes) == 1
    arrivals.apply()
    arrivals.offer(Arrival(SOURCE, many(1, 10)))
    assert len(wakes) == 2


async def test_what_came_before_the_screen_stood_is_applied_once_it_does() -> None:
    listener = Listener()
    arrivals = Arrivals(Store(), listener, lambda: NOW)
    await asyncio.to_thread(arrivals.offer, Arrival(SOURCE, many(3)))
    assert listener.changes == []
    arrivals.attach()
    await until(None, lambda: len(arrivals.store.sessions) == 3)
    assert len(listener.changes) == 1


async def test_an_application_stops_at_its_budget_and_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "BUDGET", 0.0)
    arrivals = Arrivals(Store(), Listener(), lambda: NOW)
    arrivals.offer(Arrival(SOURCE, many(1000)))
    arrivals.apply()
    assert len(arrivals.store.sessions) == queues.SLICE
    assert arrivals.waiting
    arrivals.attach()
    arrivals.apply()
    await until(None, lambda: len(arrivals.store.sessions) == 1000)
    assert not arrivals.waiting


async def test_what_a_long_backlog_has_made_is_frozen_and_what_trickles_in_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queues, "BUDGET", 60.0)
    arrivals = Arrivals(Store(), Listener(), lambda: NOW)
    before = gc.get_freeze_count()
    try:
        for n in range(0, 2 * queues.FREEZE_AFTER, 100):
            arrivals.offer(Arrival(SOURCE, many(100, n)))
            arrivals.apply()
        assert gc.get_freeze_count() == before
        arrivals.offer(Arrival(SOURCE, many(queues.FREEZE_AFTER, 2 * queues.FREEZE_AFTER)))
        arrivals.apply()
        assert gc.get_freeze_count() > before + 2 * queues.FREEZE_AFTER
    finally:
        gc.unfreeze()


async def test_lag_counts_only_changes_made_while_we_watch() -> None:
    listener = Listener()
    moment = [float(NOW)]
    arrivals = Arrivals(Store(), listener, lambda: moment[0])
    arrivals.offer(Arrival(SOURCE, many(1), committed_at=NOW - 3600))
    arrivals.apply()
    assert arrivals.lags() is None
    moment[0] += 1.025
    arrivals.offer(Arrival(SOURCE, many(1, 1), committed_at=NOW + 1))
    arrivals.apply()
    for paint in listener.painted:
        paint()
    lags = arrivals.lags()
    assert lags is not None
    assert lags.model_p50 == pytest.approx(25, abs=0.1)
    assert lags.paint_p50 > 0


async def test_a_commit_that_claims_to_come_from_the_future_is_not_early() -> None:
    arrivals = Arrivals(Store(), Listener(), lambda: NOW)
    arrivals.offer(Arrival(SOURCE, many(1), committed_at=NOW + 0.984))
    arrivals.apply()
    lags = arrivals.lags()
    assert lags is not None
    assert lags.model_p50 == 0.0
    assert lags.newest == [0]


async def test_a_closed_queue_takes_nothing_in_any_more() -> None:
    arrivals = Arrivals(Store(), Listener(), lambda: NOW)
    arrivals.close()
    arrivals.offer(Arrival(SOURCE, many(3)))
    arrivals.apply()
    assert not arrivals.store.sessions


async def test_a_backlog_that_lasts_is_told_until_it_is_worked_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "BUDGET", 0.0)
    moment, told = [float(NOW)], []

    class Noting(Listener):
        def health_changed(self, healths: dict[str, Health]) -> None:
            told.append(arrivals.behind)

    arrivals = Arrivals(Store(), Noting(), lambda: moment[0])
    for n in range(4):
        arrivals.offer(Arrival(SOURCE, many(queues.SLICE, n * queues.SLICE), health=health()))
    while arrivals.waiting:
        arrivals.apply()
        moment[0] += queues.BEHIND_AFTER
    assert told == [0, 2 * queues.SLICE, 0, 0]
    arrivals.offer(Arrival(SOURCE, many(1), health=health()))
    arrivals.apply()
    assert told[-1] == 0


async def test_a_session_is_whole_when_all_of_it_has_been_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "BUDGET", 0.0)
    monkeypatch.setattr(queues, "SLICE", 3)
    arrivals = Arrivals(Store(), Listener(), lambda: NOW)
    arrivals.offer(Arrival(SOURCE, story.failed_tool(), loaded=["ses_arm"]))
    arrivals.apply()
    session = arrivals.store.sessions[SOURCE, "ses_arm"]
    assert (session.loaded, session.whole) == (True, False)
    while arrivals.waiting:
        arrivals.apply()
    assert session.whole


class Loop:
    """A loop whose time is given by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def is_closed(self) -> bool:
        return False

    def call_soon_threadsafe(self, call: Callable[[], None], **_: object) -> None:
        call()

    def call_later(self, wait: float, call: Callable[[], None], **_: object) -> asyncio.TimerHandle:
        timer = (self.now + wait, call)
        self._timers.append(timer)
        handle = Mock(spec=asyncio.TimerHandle)
        handle.when.return_value = timer[0]
        handle.cancel.side_effect = lambda: timer in self._timers and self._timers.remove(timer)
        return handle

    def pass_time(self, seconds: float) -> None:
        """Lets time pass, and calls what is due then."""
        self.now += seconds
        due = [call for at, call in self._timers if at <= self.now + 1e-9]
        self._timers = [(at, call) for at, call in self._timers if at > self.now + 1e-9]
        for call in due:
            call()


def on_a_loop() -> tuple[Arrivals, Loop, Listener]:
    listener, loop = Listener(), Loop()
    arrivals = Arrivals(Store(), listener, lambda: NOW)
    arrivals._ui_loop = loop  # type: ignore[assignment]
    return arrivals, loop, listener


def at_once(arrivals: Arrivals, number: int) -> bool:
    """Whether news is applied when it comes."""
    arrivals.offer(Arrival(SOURCE, many(1, number)))
    return not arrivals.waiting


async def test_what_follows_on_a_quiet_time_is_applied_at_once() -> None:
    arrivals, loop, _ = on_a_loop()
    assert [at_once(arrivals, number) for number in range(4)] == [True, True, True, False]
    loop.pass_time(BEAT_S)
    assert not arrivals.waiting
    assert not at_once(arrivals, 4)
    loop.pass_time(BEAT_S)
    loop.pass_time(3 * BEAT_S)
    assert [at_once(arrivals, number) for number in range(5, 9)] == [True, True, True, False]


async def test_a_stream_is_applied_ten_times_a_second() -> None:
    arrivals, loop, listener = on_a_loop()
    for number in range(100):
        at_once(arrivals, number)
        loop.pass_time(BEAT_S / 4)
    assert 25 <= len(listener.changes) <= 25 + AT_ONCE
    assert len(arrivals.store.sessions) >= 96


@pytest.mark.parametrize(
    "awaited", [Answer(lambda: None), Arrival(SOURCE, many(1), loaded=["ses_0"]), Arrival(SOURCE, [], begun=["ses_0"])]
)
async def test_what_somebody_waits_for_waits_for_no_beat(awaited: Answer | Arrival) -> None:
    arrivals, loop, _ = on_a_loop()
    while at_once(arrivals, 1):
        pass
    arrivals.offer(awaited)
    loop.pass_time(queues.BACKLOG_PERIOD)
    assert not arrivals.waiting


async def test_many_answers_leave_half_of_the_time_for_keys() -> None:
    arrivals, loop, _ = on_a_loop()
    answered: list[float] = []
    for _ in range(1000):
        arrivals.offer(Answer(lambda: answered.append(loop.now)))
        loop.pass_time(0.001)
    assert len(answered) >= 1000 - BEAT_S / 0.001
    assert len(set(answered)) <= 1 / queues.BACKLOG_PERIOD + 1 / BEAT_S + AT_ONCE


async def test_what_comes_while_all_is_quiet_is_applied_though_an_answer_came_before() -> None:
    arrivals, loop, _ = on_a_loop()
    for number in range(20):
        arrivals.offer(Answer(lambda: None))
        at_once(arrivals, number)
        loop.pass_time(BEAT_S)
        assert not arrivals.waiting


async def test_a_long_backlog_delays_nothing_that_comes_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "BUDGET", 0.0)
    arrivals, loop, _ = on_a_loop()
    arrivals.offer(Arrival(SOURCE, many(50 * queues.SLICE)))
    while arrivals.waiting:
        loop.pass_time(queues.BACKLOG_PERIOD)
    at_once(arrivals, 1)
    loop.pass_time(BEAT_S)
    assert not arrivals.waiting


async def test_a_database_of_which_another_has_everything_newer_is_told_as_a_backup_until_it_goes_on() -> None:
    listener = Listener()
    arrivals = Arrivals(Store(), listener, lambda: NOW)
    other = "opencode:/data/opencode-next.db"

    def arrive(source: str, updated: int, *names: str) -> None:
        events = [replace(story.session(name, name, 1000), source=source) for name in names]
        told = [replace(event, extras={"time_updated": updated}) for event in events]
        arrivals.offer(Arrival(source, told, health=health(source=source)))
        arrivals.apply()

    def backups() -> set[str]:
        return {source for source, each in listener.healths.items() if each.backup}

    arrive(SOURCE, 1000, "ses_1", "ses_2")
    arrive(other, 2000, "ses_1")
    assert backups() == set()
    arrive(other, 2000, "ses_2", "ses_3")
    assert backups() == {SOURCE}
    arrive(SOURCE, 3000, "ses_1")
    assert backups() == set()
