"""A feed that has to let go of its files, as before the process is stopped: nothing is open meanwhile, and nothing is
lost by it, whenever it comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from adapter.contract import SourceUnavailable
from adapter.local import OpencodeSource
from tests.adapter.chaos import KINDS, Chaos
from tests.adapter.follower import cold_store, differences
from tests.tui.listener import Listener
from tests.tui.stage import FakeSource, Text, until
from tests.tui.story import SOURCE
from tui.feed.worker import Feed
from tui.model.store.store import Store
from tui.render.cards.payload import Shown

TIMES = 25


@asynccontextmanager
async def running(source: OpencodeSource | FakeSource) -> AsyncIterator[tuple[Feed, Listener]]:
    listener = Listener()
    feed = Feed([source], Store(), listener)
    feed.arrivals.attach()
    thread = threading.Thread(target=feed.run)
    thread.start()
    try:
        yield feed, listener
    finally:
        feed.stop()
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()


async def same_in_the_end(feed: Feed, chaos: Chaos) -> None:
    """The model becomes what a cold load gives."""
    for session_id in chaos.opencode.sessions:
        feed.load(f"opencode:{chaos.opencode.path}", session_id)
    cold = await cold_store(chaos.opencode.path)
    with suppress(AssertionError):
        await until(None, lambda: not differences(feed.arrivals.store, cold), 20)
    assert differences(feed.arrivals.store, cold) == []


@pytest.mark.parametrize("kind", ["1.18", "1.18 without notifications", "1.15"])
async def test_whenever_it_rests_nothing_is_open_and_nothing_is_lost(tmp_path: Path, kind: str) -> None:
    chaos = Chaos(tmp_path / "opencode.db", KINDS[kind], 7)
    source = OpencodeSource(chaos.opencode.path, clock=chaos.clock, monotonic=chaos.monotonic, watch=chaos.notify)
    try:
        async with running(source) as (feed, listener):
            for _ in range(TIMES):
                await asyncio.to_thread(chaos.steps, chaos.dice.randrange(8))
                for session_id in chaos.opencode.sessions[-2:]:
                    feed.load(source.source, session_id)
                await asyncio.sleep(chaos.dice.choice([0, 0, 0.01, 0.03]))
                feed.rest()
                transactions = source._reader.transactions
                assert not source._reader.is_open
                await asyncio.to_thread(chaos.steps, chaos.dice.randrange(8))
                assert not source._reader.is_open
                assert source._reader.transactions == transactions
                feed.go_on()
            chaos.settle()
            await same_in_the_end(feed, chaos)
            assert listener.problems == []
            assert listener.healths[source.source].state == "ok"
    finally:
        chaos.opencode.close()


async def test_a_feed_that_has_to_rest_before_it_began_opens_nothing() -> None:
    source = FakeSource()
    feed = Feed([source], Store(), Listener())
    feed.rest()
    feed.arrivals.attach()
    thread = threading.Thread(target=feed.run)
    thread.start()
    try:
        feed.rest()
        assert not source.following
        feed.go_on()
        await until(None, lambda: source.following)
    finally:
        feed.stop()
        await asyncio.to_thread(thread.join, 10)


async def test_a_text_that_is_asked_for_meanwhile_comes_afterwards() -> None:
    source = FakeSource({"known": "one\ntwo"})
    answers: list[tuple[Shown | None, str]] = []
    async with running(source) as (feed, _):
        await until(None, lambda: source.following)
        feed.rest()
        assert source.closed
        feed.payload(SOURCE, "known", "terminal", lambda *answer: answers.append(answer))
        feed.rest()
        assert answers == source.asked == []
        feed.go_on()
        await until(None, lambda: bool(answers))
        assert answers[0][0] is not None


async def test_a_text_whose_file_is_closed_in_the_middle_is_read_again() -> None:
    begun = threading.Event()

    class Slow(FakeSource):
        async def __aexit__(self, *exc: Any) -> None:
            await super().__aexit__()
            shut.set()

        async def payload(self, uri: str, limit: int = 0) -> Text:
            if not begun.is_set():
                begun.set()
                await shut.wait()
                raise SourceUnavailable("closed")
            return await super().payload(uri)

    shut = asyncio.Event()

    source = Slow({"known": "one"})
    answers: list[tuple[Shown | None, str]] = []
    async with running(source) as (feed, listener):
        await until(None, lambda: source.following)
        feed.payload(SOURCE, "known", "terminal", lambda *answer: answers.append(answer))
        await until(None, begun.is_set)
        feed.rest()
        feed.go_on()
        await until(None, lambda: bool(answers))
        assert answers[0][0] is not None
        assert listener.problems == []
