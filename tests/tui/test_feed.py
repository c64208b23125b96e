"""The feed: nothing is lost, nothing is asked twice, and both sides sleep when there is nothing to do."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapter.events import Event
from adapter.health import Health
from tests.tui import story
from tests.tui.stage import Batch, FakeSource, until
from tests.tui.story import NOW, SOURCE, session
from tui import feed as feeds
from tui.feed import Arrival, Feed
from tui.model.nodes import ChangeSet
from tui.model.store import Store
from tui.render.payload import Shown


class Listener:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.changes: list[ChangeSet] = []
        self.healths: dict[str, Health] = {}
        self.problems: list[str] = []
        self.painted: list[Callable[[], None]] = []

    def changed(self, changes: ChangeSet) -> bool:
        self.changes.append(changes)
        return True

    def health_changed(self, healths: dict[str, Health]) -> None:
        self.healths = dict(healths)

    def problem(self, text: str) -> None:
        self.problems.append(text)

    def after_paint(self, callback: Callable[[], None]) -> None:
        self.painted.append(callback)


def many(count: int, start: int = 0) -> list[Event]:
    return [session(f"ses_{n:06}", f"Session {n}", 1000 + n) for n in range(start, start + count)]


@asynccontextmanager
async def running(*sources: FakeSource, **options: Any) -> AsyncIterator[tuple[Feed, Listener]]:
    """A feed in its thread, on this loop, stopped at the end."""
    listener = Listener()
    feed = Feed(list(sources), Store(), listener, clock=lambda: NOW, **options)
    feed.attach()
    thread = threading.Thread(target=feed.run)
    thread.start()
    try:
        yield feed, listener
    finally:
        feed.stop()
        await asyncio.get_running_loop().run_in_executor(None, thread.join, 10)
        assert not thread.is_alive()


async def test_batches_of_a_source_reach_the_store_and_the_listener_hears_of_it() -> None:
    source = FakeSource()
    source.first = [Batch(story.others()), Batch(story.failed_tool(), loaded=["ses_arm"])]
    async with running(source) as (feed, listener):
        await until(None, lambda: (SOURCE, "ses_arm") in feed.store.sessions)
        assert len(feed.store.sessions) == 4
        assert listener.changes
        assert listener.healths[SOURCE].state == "ok"
    assert source.closed


async def test_the_listener_is_told_once_for_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "BUDGET", 60.0)
    listener = Listener()
    feed = Feed([], Store(), listener, clock=lambda: NOW)
    for n in range(50):
        feed.offer(Arrival(SOURCE, many(1, n)))
    feed.pump()
    assert len(listener.changes) == 1
    assert len(feed.store.sessions) == 50


async def test_one_wake_up_is_scheduled_however_much_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy machine must not stop the application half way.
    monkeypatch.setattr(feeds, "BUDGET", 60.0)
    feed = Feed([], Store(), Listener(), clock=lambda: NOW)
    feed.attach()
    wakes: list[Any] = []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *args, **_: wakes.append(args))
    for n in range(10):
        feed.offer(Arrival(SOURCE, many(1, n)))
    assert len(wakes) == 1
    feed.pump()
    feed.offer(Arrival(SOURCE, many(1, 10)))
    assert len(wakes) == 2


async def test_an_application_stops_at_its_budget_and_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "BUDGET", 0.0)
    feed = Feed([], Store(), Listener(), clock=lambda: NOW)
    feed.offer(Arrival(SOURCE, many(1000)))
    feed.pump()
    assert len(feed.store.sessions) == feeds.SLICE
    assert feed.waiting
    feed.attach()
    feed.pump()
    await until(None, lambda: len(feed.store.sessions) == 1000)
    assert not feed.waiting


async def test_what_a_long_backlog_has_made_is_frozen_and_what_trickles_in_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeds, "BUDGET", 60.0)
    feed = Feed([], Store(), Listener(), clock=lambda: NOW)
    before = gc.get_freeze_count()
    try:
        for n in range(0, 2 * feeds.FREEZE_AFTER, 100):
            feed.offer(Arrival(SOURCE, many(100, n)))
            feed.pump()
        assert gc.get_freeze_count() == before
        feed.offer(Arrival(SOURCE, many(feeds.FREEZE_AFTER, 2 * feeds.FREEZE_AFTER)))
        feed.pump()
        assert gc.get_freeze_count() > before + 2 * feeds.FREEZE_AFTER
    finally:
        gc.unfreeze()


async def test_a_fast_producer_waits_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "HIGH", 100)
    monkeypatch.setattr(feeds, "LOW", 20)
    longest: list[int] = []
    seen: list[Feed] = []

    class Watched(FakeSource):
        async def tail(self, cursor: str | None = None) -> AsyncIterator[Batch]:
            for n in range(40):
                longest.extend(feed._waiting_events for feed in seen)
                yield Batch(many(60, n * 60))

    async with running(Watched()) as (feed, listener):
        seen.append(feed)
        await until(None, lambda: len(feed.store.sessions) == 2400)
        assert listener.problems == []
    assert max(longest, default=0) <= 100 + 60


async def test_a_text_arrives_as_a_document_and_a_failure_as_words() -> None:
    source = FakeSource({"known": "one\ntwo"})
    answers: list[tuple[Shown | None, str]] = []
    async with running(source) as (feed, _):
        await until(None, lambda: source.following)
        feed.payload(SOURCE, "known", "terminal", lambda *answer: answers.append(answer))
        feed.payload(SOURCE, "gone", "terminal", lambda *answer: answers.append(answer))
        await until(None, lambda: len(answers) == 2)
    found = next(document for document, _ in answers if document is not None)
    assert list(found.words()) == ["one", "two"]
    assert (None, "the row is gone") in answers


async def test_requests_made_before_the_thread_runs_are_kept() -> None:
    source = FakeSource()
    listener = Listener()
    feed = Feed([source], Store(), listener, clock=lambda: NOW)
    feed.attach()
    feed.load(SOURCE, "ses_arm")
    thread = threading.Thread(target=feed.run)
    thread.start()
    await until(None, lambda: source.requested == ["ses_arm"])
    feed.stop()
    await asyncio.get_running_loop().run_in_executor(None, thread.join, 10)


async def test_a_source_that_breaks_is_shown_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "RETRY_AFTER", 0.01)
    opened: list[int] = []

    class Broken(FakeSource):
        async def __aenter__(self) -> FakeSource:
            opened.append(1)
            if len(opened) == 1:
                raise OSError("the disk is gone")
            return self

    source = Broken()
    source.first = [Batch(story.others())]
    async with running(source) as (feed, listener):
        await until(None, lambda: len(feed.store.sessions) == 3)
        assert "the disk is gone" in listener.problems[0]


async def test_databases_that_appear_later_are_followed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "DISCOVER_EVERY", 0.01)
    late = FakeSource()
    late.first = [Batch(story.others())]
    async with running(discover=lambda: [late]) as (feed, _):
        await until(None, lambda: len(feed.store.sessions) == 3)
    assert late.closed


async def test_lag_counts_only_changes_made_while_we_watch() -> None:
    listener = Listener()
    moment = [float(NOW)]
    feed = Feed([], Store(), listener, clock=lambda: moment[0])
    feed.offer(Arrival(SOURCE, many(1), committed_at=NOW - 3600))
    feed.pump()
    assert feed.lags() is None
    moment[0] += 1.025
    feed.offer(Arrival(SOURCE, many(1, 1), committed_at=NOW + 1))
    feed.pump()
    for paint in listener.painted:
        paint()
    lags = feed.lags()
    assert lags is not None
    assert lags.model_p50 == pytest.approx(25, abs=0.1)
    assert lags.paint_p50 > 0


async def test_a_stopped_feed_takes_nothing_in_any_more() -> None:
    feed = Feed([], Store(), Listener(), clock=lambda: NOW)
    feed.stop()
    feed.offer(Arrival(SOURCE, many(3)))
    feed.pump()
    assert not feed.store.sessions
