"""The feed: nothing is lost, nothing is asked twice, and both sides sleep when there is nothing to do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapter.contract import SearchPage, SourceUnavailable
from tests.tui import story
from tests.tui.listener import Listener, many
from tests.tui.stage import Batch, FakeSource, Text, until
from tests.tui.story import NOW, SOURCE
from tui.feed import queue, worker
from tui.feed.worker import Feed
from tui.model.store.store import Store
from tui.render.cards.payload import Shown


@asynccontextmanager
async def running(*sources: FakeSource, **options: Any) -> AsyncIterator[tuple[Feed, Listener]]:
    """A feed in its thread, on this loop, stopped at the end."""
    listener = Listener()
    feed = Feed(list(sources), Store(), listener, clock=lambda: NOW, **options)
    feed.arrivals.attach()
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
        await until(None, lambda: (SOURCE, "ses_arm") in feed.arrivals.store.sessions)
        assert len(feed.arrivals.store.sessions) == 4
        assert listener.changes
        assert listener.healths[SOURCE].state == "ok"
    assert source.closed


async def test_a_fast_producer_waits_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "HIGH", 100)
    monkeypatch.setattr(queue, "LOW", 20)
    longest: list[int] = []
    seen: list[Feed] = []

    class Watched(FakeSource):
        async def tail(self, cursor: str | None = None) -> AsyncIterator[Batch]:
            for n in range(40):
                longest.extend(feed.arrivals._waiting_events for feed in seen)
                yield Batch(many(60, n * 60))

    async with running(Watched()) as (feed, listener):
        seen.append(feed)
        await until(None, lambda: len(feed.arrivals.store.sessions) == 2400)
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


async def test_a_text_of_many_parts_arrives_as_one_document() -> None:
    source = FakeSource({str(n): f" word{n}" for n in range(300)})
    answers: list[tuple[Shown | None, str]] = []
    async with running(source) as (feed, _):
        await until(None, lambda: source.following)
        more = [str(n) for n in range(1, 300)]
        feed.payload(SOURCE, "0", "markdown", lambda *answer: answers.append(answer), more)
        await until(None, lambda: bool(answers))
    ((document, note),) = answers
    assert document is not None
    assert list(document.words()) == ["".join(f" word{n}" for n in range(300))]
    assert note == ""
    assert source.asked == ["0", *more]


async def test_a_text_that_cannot_be_asked_for_or_is_given_up_is_answered_too() -> None:
    class Interrupted(FakeSource):
        async def payload(self, uri: str, limit: int = 0) -> Text:
            raise asyncio.CancelledError

    answers: list[tuple[Shown | None, str]] = []
    async with running(Interrupted()) as (feed, _):
        feed.payload("of no database", "known", "terminal", lambda *answer: answers.append(answer))
        feed.payload(SOURCE, "known", "terminal", lambda *answer: answers.append(answer))
        await until(None, lambda: len(answers) == 2)
    assert set(answers) == {(None, "its database is not followed"), (None, "reading it was given up")}


async def test_a_request_that_raises_is_told() -> None:
    class Refusing(FakeSource):
        def request(self, session_id: str) -> None:
            raise RuntimeError("the disk is gone")

    async with running(Refusing()) as (feed, listener):
        feed.load(SOURCE, "ses_arm")
        await until(None, lambda: len(listener.problems) == 1)
        feed.release("of no database", "ses_arm")
        await until(None, lambda: len(listener.problems) == 2)
        assert listener.problems == [
            "session ses_arm cannot be read: the disk is gone",
            "session ses_arm stays in memory: its database is not followed",
        ]


async def test_a_look_for_databases_that_raises_is_told_and_the_next_one_finds_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "DISCOVER_EVERY", 0.01)
    late = FakeSource()
    late.first = [Batch(story.others())]
    looks: list[int] = []

    def discover() -> list[FakeSource]:
        looks.append(1)
        if len(looks) == 1:
            raise PermissionError("the directory may not be listed")
        return [late]

    async with running(discover=discover) as (feed, listener):
        await until(None, lambda: len(feed.arrivals.store.sessions) == 3)
        assert listener.problems == ["no look for more databases: the directory may not be listed"]


async def test_a_feed_that_is_stopped_twice_and_asked_afterwards_stays_quiet() -> None:
    async with running(FakeSource()) as (feed, listener):
        await until(None, lambda: feed._loop is not None)
    feed.stop()
    feed.load(SOURCE, "ses_arm")
    feed.probe()
    assert listener.problems == []


async def test_requests_made_before_the_thread_runs_are_kept() -> None:
    source = FakeSource()
    listener = Listener()
    feed = Feed([source], Store(), listener, clock=lambda: NOW)
    feed.arrivals.attach()
    feed.load(SOURCE, "ses_arm")
    thread = threading.Thread(target=feed.run)
    thread.start()
    await until(None, lambda: source.requested == ["ses_arm"])
    feed.stop()
    await asyncio.get_running_loop().run_in_executor(None, thread.join, 10)


async def test_a_source_that_breaks_is_shown_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RETRY_AFTER", 0.01)
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
        await until(None, lambda: len(feed.arrivals.store.sessions) == 3)
        assert "the disk is gone" in listener.problems[0]


async def test_databases_that_appear_later_are_followed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "DISCOVER_EVERY", 0.01)
    late = FakeSource()
    late.first = [Batch(story.others())]
    async with running(discover=lambda: [late]) as (feed, _):
        await until(None, lambda: len(feed.arrivals.store.sessions) == 3)
    assert late.closed


@pytest.mark.parametrize(("readable", "reason"), [(3, ""), (1, "it has been closed")])
async def test_a_search_goes_on_behind_what_could_be_read_as_long_as_that_leads_further(
    readable: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SEARCH_AGAIN_S", 0.001)

    class Closing(FakeSource):
        async def search(
            self, pattern: str, only: Collection[str] | None = None, kinds: Collection[str] = ()
        ) -> AsyncIterator[SearchPage]:
            left = sorted(only or ())
            self.searched.append((pattern, set(left), set()))
            if left and int(left[0][-1]) <= readable:
                yield SearchPage(left[:1], [], 1, 3)
            if len(left) > 1 or int(left[0][-1]) > readable:
                raise SourceUnavailable("it has been closed")

    source = Closing()
    looked: list[str] = []
    ended: list[str] = []
    async with running(source) as (feed, _):
        await until(None, lambda: source.following)
        sessions = {SOURCE: {"ses_1", "ses_2", "ses_3"}}
        feed.search("word", sessions, (), lambda _, page: looked.extend(page.sessions), ended.append)
        await until(None, lambda: bool(ended))
    assert ended == [reason]
    assert looked == [f"ses_{number}" for number in range(1, readable + 1)]
