"""Follows a source in a task and waits for what its model shows: no sleeps, only a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from adapter.events import Event
from adapter.source import OpencodeSource
from tui.model.store import Store

DEADLINE_S = 60.0


class Following:
    """A source, the model made of its events, and every event that came."""

    def __init__(self, source: OpencodeSource) -> None:
        self.source = source
        self.store = Store()
        self.events: list[Event] = []
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Applies every batch, for ever."""
        async for batch in self.source.tail():
            self.store.apply(batch.events)
            for session_id in batch.loaded:
                self.store.mark_loaded(self.source.source, session_id)
            self.events += batch.events
            async with self._news:
                self._news.notify_all()

    async def until(self, what: str, test: Callable[[Store], object], deadline_s: float = DEADLINE_S) -> None:
        """Waits until the model shows something; fails with its name after the deadline."""
        end = time.monotonic() + deadline_s
        async with self._news:
            while not test(self.store):
                try:
                    await asyncio.wait_for(self._news.wait(), end - time.monotonic())
                except TimeoutError:
                    raise AssertionError(f"never shown within {deadline_s:.0f} s: {what}") from None


@asynccontextmanager
async def following(source: OpencodeSource) -> AsyncIterator[Following]:
    """Follows for the length of the block; what the follower raised fails the test."""
    follower = Following(source)
    task = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        await source.close()


async def cold_load(source: OpencodeSource) -> Store:
    """The model of a whole database as it is now."""
    store = Store()
    async with source:
        async for batch in source.stream():
            store.apply(batch.events)
            for session_id in batch.loaded:
                store.mark_loaded(source.source, session_id)
    return store
