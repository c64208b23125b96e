"""The app on a stage: no database, a fixed clock, events fed by hand, texts answered from a dictionary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from textual.pilot import Pilot

from adapter.contract import SearchPage, Spending
from adapter.events import Event
from adapter.health import Health
from tests.tui.story import NOW, SOURCE
from tui.app import ViewerApp
from tui.config.settings import Memory
from tui.feed.queue import Arrival


class Text(msgspec.Struct):
    """An answer of `payload`."""

    text: str
    size: int
    truncated: bool = False
    format: str = "text"


class Batch(msgspec.Struct):
    """What `tail` gives; the health that goes with it is that of the source unless another one is named."""

    events: list[Event]
    health: Health | None = None
    loaded: list[str] = []
    committed_at: float = 0.0
    released: list[str] = []
    begun: list[str] = []


def health(**fields: Any) -> Health:
    """The health of a source that works."""
    known: dict[str, Any] = {
        "source": SOURCE,
        "path": "/data/opencode.db",
        "state": "ok",
        "family": "v1",
        "versions": ["1.18.33"],
        "strategy": "event feed",
        "counts": {"sessions": 7, "messages": 42, "parts": 180, "events": 999},
        "migration_table": "migration",
        "migration_count": 38,
        "migration_latest": "20260622202450_simplify",
        "migration_hash": "9f3a21c0ffee",
        "size": 4_300_000,
        "wal_size": 120_000,
        "lag_p50_ms": 9.0,
        "lag_p99_ms": 22.0,
        "last_change": NOW - 4.0,
        "longest_read_ms": 6.0,
        "open_mode": "readonly_shm",
        "statements_per_minute": 61.0,
    }
    return Health(**{**known, **fields})


class FakeSource:
    """A source that gives the batches of `first` and those that are sent to it, and answers requests from memory."""

    def __init__(self, texts: dict[str, str] | None = None, state: Health | None = None) -> None:
        self.source = SOURCE
        self.path = Path("/data/opencode.db")
        self.following = False
        self._batches: asyncio.Queue[Batch] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.texts = texts or {}
        self.state = state or health()
        self.requested: list[str] = []
        self.released: list[str] = []
        self.asked: list[str] = []
        self.closed = False
        self.forgotten = 0
        self.first: list[Batch] = []
        self.pages: list[SearchPage] = []
        self.searched: list[tuple[str, set[str], set[str]]] = []
        self.endless = False
        """A search goes on until it is stopped."""
        self.stopped = 0
        self.spent: dict[str, Spending] = {}
        self.spans_of: dict[str, tuple[int, int]] = {}

    async def __aenter__(self) -> FakeSource:
        return self

    async def __aexit__(self, *exc: Any) -> None:
        self.closed = True

    async def tail(self, cursor: str | None = None) -> AsyncIterator[Batch]:
        self._loop = asyncio.get_running_loop()
        self.following = True
        for batch in self.first:
            yield self._with_health(batch)
        while True:
            yield self._with_health(await self._batches.get())

    def _with_health(self, batch: Batch) -> Batch:
        return msgspec.structs.replace(batch, health=batch.health or self.state)

    def send(self, batch: Batch) -> None:
        """Lets `tail` give a batch, from the test's thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._batches.put_nowait, batch)

    def request(self, session_id: str) -> None:
        self.requested.append(session_id)

    def release(self, session_id: str) -> None:
        self.released.append(session_id)

    def forget(self) -> None:
        self.forgotten += 1

    async def payload(self, uri: str, limit: int = 0) -> Text:
        self.asked.append(uri)
        if uri not in self.texts:
            raise LookupError("the row is gone")
        text = self.texts[uri]
        return Text(text, len(text.encode()))

    async def beginning(self, uri: str) -> str:
        return ""

    async def search(
        self, pattern: str, only: Collection[str] | None = None, kinds: Collection[str] = ()
    ) -> AsyncIterator[SearchPage]:
        self.searched.append((pattern, set(only or ()), set(kinds)))
        try:
            for page in self.pages:
                yield page
            if self.endless:
                await asyncio.Event().wait()
        finally:
            self.stopped += 1

    async def probe(self) -> Health:
        return self.state

    async def processes(self) -> Health:
        return self.state

    async def spans(self) -> dict[str, tuple[int, int]]:
        return self.spans_of

    async def spending(self, session_ids: Sequence[str], *, calls: bool = True) -> list[Spending]:
        self.asked += session_ids
        return [self.spent[session_id] for session_id in session_ids if session_id in self.spent]

    def health(self) -> Health:
        return self.state


async def until(pilot: Pilot[Any] | None, true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits for a condition that another thread brings about; fails after the deadline. Without a pilot the app may
    have ended already."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not true():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError("the condition did not come true in time")
        await (pilot.pause(0.01) if pilot is not None else asyncio.sleep(0.01))


def feed(app: ViewerApp, events: Sequence[Event], loaded: Sequence[str] = ()) -> None:
    """Hands events to the app and applies them all, at once and on this loop."""
    app.feed.arrivals.offer(Arrival(SOURCE, events, loaded))
    while app.feed.arrivals.waiting:
        app.feed.arrivals.apply()


def plainly() -> Memory:
    """The choices of a user who wants one list in which what goes on is unfolded: what most tests look at."""
    memory = Memory()
    memory.remember(grouping="plain")
    return memory


@asynccontextmanager
async def playing(
    events: Sequence[Event] = (),
    size: tuple[int, int] = (120, 40),
    source: FakeSource | None = None,
    clock: Callable[[], float] = lambda: NOW,
    memory: Memory | None = None,
) -> AsyncIterator[tuple[ViewerApp, Pilot[Any]]]:
    """The running app, the events applied and painted; without a memory in one plain list."""
    app = ViewerApp([source] if source is not None else [], clock=clock, memory=memory or plainly())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        if events:
            feed(app, events)
        await pilot.pause()
        yield app, pilot


def screen_text(app: ViewerApp) -> list[str]:
    """What stands on the screen, line by line."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips(app.size)]


def before(events: Sequence[Event]) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """For snapshots: feeds events to the app before its picture is taken."""

    async def run(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        app = pilot.app
        assert isinstance(app, ViewerApp)
        feed(app, events)
        await pilot.pause()

    return run
