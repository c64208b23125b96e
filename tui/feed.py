"""The worker that follows the sources: one thread reads, and hands what it has read to the UI loop (`arrivals.py`).

The thread runs its own asyncio loop with one task a source. What the screen asks for (a session, a text, fresh
counts) goes to that loop, and the answer comes back in order with the events.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from tui.arrivals import Answer, Arrival, Arrivals
from tui.model.store import Store
from tui.protocols import BatchLike, Listener, PayloadLike, SourceLike
from tui.render import payload as payloads

DISCOVER_EVERY = 5.0
"""Seconds between two looks for databases that have appeared since."""

RETRY_AFTER = 5.0
"""Seconds before a source that failed in an unforeseen way is opened again."""


PayloadDone = Callable[[payloads.Shown | None, str], None]
"""Gets the document, or None and the reason."""


class Feed:
    """Runs the sources in a thread; `arrivals` applies their events to the store on the UI loop."""

    def __init__(
        self,
        sources: Sequence[SourceLike],
        store: Store,
        listener: Listener,
        *,
        clock: Callable[[], float] = time.time,
        discover: Callable[[], Sequence[SourceLike]] | None = None,
    ) -> None:
        self.arrivals = Arrivals(store, listener, clock)
        self._listener = listener
        self._initial = list(sources)
        self._discover = discover
        self._sources: dict[str, SourceLike] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stopped = False
        self._early: list[Callable[[], Coroutine[Any, Any, None]]] = []

    # --- called on the UI loop -------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ends the thread soon: tasks are cancelled and sources closed. Does not wait."""
        with self._lock:
            self._stopped = True
            loop, stop = self._loop, self._stop
        self.arrivals.close()
        if loop is not None and stop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)

    def load(self, source: str, session_id: str) -> None:
        """Asks for the whole tree of a session; it arrives as changes, in order with all others."""

        async def request() -> None:
            self._sources[source].request(session_id)

        self._request(request)

    def release(self, source: str, session_id: str) -> None:
        """Gives back all of a session but its row, in order with all other changes."""

        async def request() -> None:
            self._sources[source].release(session_id)

        self._request(request)

    def payload(self, source: str, uri: str, look: str, done: PayloadDone) -> None:
        """Asks for one text; `done` is called with it, ready to be drawn in a look, on the UI loop."""
        self._request(lambda: self._payload(source, uri, look, done))

    def probe(self) -> None:
        """Asks every source for fresh counts; they arrive through `health_changed`."""
        self._request(self._probe)

    def _request(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with self._lock:
            if self._stopped:
                return
            loop = self._loop
            if loop is None:
                self._early.append(make)
                return
        loop.call_soon_threadsafe(lambda: self._spawn(make()))

    # --- called in the feed's thread -------------------------------------------------------------------------

    def run(self) -> None:
        """The body of the thread: follows every source until `stop`."""
        asyncio.run(self._main())

    async def _main(self) -> None:
        stop = asyncio.Event()
        with self._lock:
            self._loop, self._stop = asyncio.get_running_loop(), stop
            early, self._early = self._early, []
            if self._stopped:
                return
        for source in self._initial:
            self._add(source)
        for make in early:
            self._spawn(make())
        if self._discover is not None:
            self._spawn(self._look_for_more(self._discover))
        await stop.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _add(self, source: SourceLike) -> None:
        self._sources[source.source] = source
        self._spawn(self._follow(source))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, source: SourceLike) -> None:
        """One source for ever. What it foresees it reports itself; anything else is shown and tried again."""
        while True:
            try:
                async with source:
                    async for batch in source.tail():
                        await self._offer_batch(source, batch)
                return
            except Exception as error:
                self._problem(f"{source.path}: {error!r}")
                await asyncio.sleep(RETRY_AFTER)

    async def _look_for_more(self, discover: Callable[[], Sequence[SourceLike]]) -> None:
        while True:
            await asyncio.sleep(DISCOVER_EVERY)
            for source in await asyncio.to_thread(discover):
                if source.source not in self._sources:
                    self._add(source)

    async def _offer_batch(self, source: SourceLike, batch: BatchLike) -> None:
        health = source.health()
        self.arrivals.offer(
            Arrival(source.source, batch.events, batch.loaded, batch.committed_at, health, batch.released, batch.begun)
        )
        await self.arrivals.room()

    async def _payload(self, source: str, uri: str, look: str, done: PayloadDone) -> None:
        try:
            found: PayloadLike = await self._sources[source].payload(uri)
            document = await asyncio.to_thread(payloads.read, found.text, look)
        except Exception as error:
            # A part that was rewritten or removed a moment ago, a busy file, an unknown field: all are answers.
            text = str(error) or type(error).__name__
            self._answer(lambda: done(None, text))
            return
        note = f"cut: the text has {found.size:,} bytes" if found.truncated else ""
        self._answer(lambda: done(document, note))

    async def _probe(self) -> None:
        for name, source in list(self._sources.items()):
            try:
                health = await source.probe()
            except Exception as error:
                self._problem(f"{source.path}: {error}")
                continue
            self.arrivals.offer(Arrival(name, (), health=health))

    def _problem(self, text: str) -> None:
        self._answer(lambda: self._listener.problem(text))

    def _answer(self, call: Callable[[], None]) -> None:
        self.arrivals.offer(Answer(call))
