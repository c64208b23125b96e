"""The worker between the sources and the screen: one thread reads, the UI loop applies 20-30 times a second.

The thread runs its own asyncio loop with one task a source; a batch goes into a bounded queue and, only when the
queue was empty, one call is scheduled on the UI loop (a call per event would cost 50-260 µs each; a batch applies at
1-4 µs an event). The UI side applies what is there for at most BUDGET, hands one merged change set to the screen and
comes back after PERIOD if something is left. With nothing to read neither side wakes up. A producer that is far
ahead waits; nothing is ever dropped.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from adapter.events import Event
from adapter.health import Health
from tui.model.nodes import ChangeSet
from tui.model.store import Store
from tui.protocols import BatchLike, Listener, PayloadLike, SourceLike
from tui.render import payload as payloads
from tui.render.health import LAGS_SHOWN, Lags

PERIOD = 0.033
"""Seconds between two applications under load: 30 Hz is as fast as anyone can read."""

BACKLOG_PERIOD = 0.012
"""The same while a backlog is being worked off (a start, a big session): half of the loop stays free for keys."""

BUDGET = 0.008
"""Seconds that one application may take before the loop gets to handle keys and paint."""

SLICE = 200
"""Events applied between two looks at the clock."""

HIGH, LOW = 20_000, 5_000
"""Events waiting in the queue at which a producer pauses, and goes on."""

FREEZE_AFTER = 5_000
"""Events of one backlog after which what they have made is taken out of the collector's sight: it stays, it has no
cycles, and a look through the model of 7,000 sessions stopped everything for 200 ms."""

DISCOVER_EVERY = 5.0
"""Seconds between two looks for databases that have appeared since."""

RETRY_AFTER = 5.0
"""Seconds before a source that failed in an unforeseen way is opened again."""


PayloadDone = Callable[[payloads.Shown | None, str], None]
"""Gets the document, or None and the reason."""


class Arrival(NamedTuple):
    """A batch on its way to the model; `loaded` names the sessions that are whole with it, `released` those of which
    nothing but the row is kept up to date from here on."""

    source: str
    events: Sequence[Event]
    loaded: Sequence[str] = ()
    committed_at: float = 0.0
    health: Health | None = None
    released: Sequence[str] = ()


class Answer(NamedTuple):
    """An answer on its way to the UI loop, in order with the events."""

    call: Callable[[], None]


class Feed:
    """Runs the sources in a thread and applies their events to the store on the UI loop."""

    def __init__(
        self,
        sources: Sequence[SourceLike],
        store: Store,
        listener: Listener,
        *,
        clock: Callable[[], float] = time.time,
        discover: Callable[[], Sequence[SourceLike]] | None = None,
    ) -> None:
        self.store = store
        self.health: dict[str, Health] = {}
        self._initial = list(sources)
        self._discover = discover
        self._listener = listener
        self._clock = clock
        self._started_at = clock()
        self._sources: dict[str, SourceLike] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stopped = False
        self._early: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._room: asyncio.Event | None = None

        self._lock = threading.Lock()
        self._queue: deque[Arrival | Answer] = deque()
        self._waiting_events = 0
        self._awake = False
        self._producer_waits = False

        self._ui_loop: asyncio.AbstractEventLoop | None = None
        self._context: contextvars.Context | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_pump = 0.0
        self._current: Arrival | None = None
        self._position = 0
        self._unfrozen = 0
        self._to_model: deque[float] = deque(maxlen=500)
        self._to_paint: deque[float] = deque(maxlen=500)

    # --- called on the UI loop -------------------------------------------------------------------------------

    def attach(self) -> None:
        """Remembers the running loop, and the context that Textual's widgets need, as where to apply events."""
        self._ui_loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()

    def stop(self) -> None:
        """Ends the thread soon: tasks are cancelled and sources closed. Does not wait."""
        with self._lock:
            self._stopped = True
            loop, stop = self._loop, self._stop
            self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
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

    def lags(self) -> Lags | None:
        """How late the screen is, over the last 500 live batches; None before the first."""
        if not self._to_model:
            return None
        model, paint = sorted(self._to_model), sorted(self._to_paint) or [0.0]
        newest = [round(each) for each in list(self._to_model)[-LAGS_SHOWN:]]
        return Lags(_at(model, 0.5), _at(model, 0.99), _at(paint, 0.5), _at(paint, 0.99), newest)

    @property
    def waiting(self) -> bool:
        """Whether something has arrived that has not been applied."""
        return bool(self._queue) or self._current is not None

    def pump(self) -> None:
        """Applies what is waiting, within BUDGET, and tells the listener once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = time.perf_counter() + BUDGET
        changes = ChangeSet(roots=set(), dirty=set())
        calls: list[Callable[[], None]] = []
        committed: list[float] = []
        health_changed = False
        while (item := self._next()) is not None:
            if isinstance(item, Answer):
                calls.append(item.call)
                continue
            part = item.events[self._position : self._position + SLICE]
            _merge(changes, self.store.apply(part))
            self._position += len(part)
            self._unfrozen += len(part)
            self._drained(len(part))
            if self._position >= len(item.events):
                self._current = None
                for session_id in item.loaded:
                    _merge(changes, self.store.mark_loaded(item.source, session_id))
                for session_id in item.released:
                    _merge(changes, self.store.unload(item.source, session_id))
                if item.health is not None:
                    self.health[item.source] = item.health
                    health_changed = True
                if item.committed_at > self._started_at:
                    committed.append(item.committed_at)
            if time.perf_counter() > deadline:
                break
        drawn = False
        if changes.roots or changes.dirty or changes.order:
            drawn = self._listener.changed(changes)
        now = self._clock()
        self._to_model.extend((now - at) * 1000 for at in committed)
        if drawn and committed:
            applied = time.perf_counter()
            self._listener.after_paint(lambda: self._to_paint.append((time.perf_counter() - applied) * 1000))
        for call in calls:
            call()
        if health_changed:
            self._listener.health_changed(self.health)
        self._again()

    def _again(self) -> None:
        """Schedules the next application when something is left, else goes to sleep."""
        loop = self._ui_loop
        with self._lock:
            backlog = self.waiting
            self._awake = backlog
        if not backlog:
            if self._unfrozen >= FREEZE_AFTER:
                # What is young and garbage already must not stay with it.
                gc.collect(1)
                gc.freeze()
            self._unfrozen = 0
        if loop is None:
            return
        self._last_pump = loop.time()
        if backlog:
            busy = self._waiting_events > SLICE
            self._timer = loop.call_later(BACKLOG_PERIOD if busy else PERIOD, self.pump, context=self._context)

    def _wake(self) -> None:
        if self._timer is not None or self._ui_loop is None or self._stopped:
            return
        wait = self._last_pump + PERIOD - self._ui_loop.time()
        if wait <= 0:
            self.pump()
        else:
            self._timer = self._ui_loop.call_later(wait, self.pump, context=self._context)

    def _next(self) -> Arrival | Answer | None:
        if self._current is not None:
            return self._current
        with self._lock:
            if not self._queue:
                return None
            item = self._queue.popleft()
        if isinstance(item, Arrival):
            self._current, self._position = item, 0
        return item

    def _drained(self, count: int) -> None:
        with self._lock:
            self._waiting_events -= count
            resume = self._producer_waits and self._waiting_events < LOW
            if resume:
                self._producer_waits = False
        if resume and self._loop is not None and self._room is not None:
            self._loop.call_soon_threadsafe(self._room.set)

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
        self._room = asyncio.Event()
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
        self.offer(
            Arrival(source.source, batch.events, batch.loaded, batch.committed_at, source.health(), batch.released)
        )
        while True:
            with self._lock:
                if self._waiting_events <= HIGH:
                    return
                self._producer_waits = True
                assert self._room is not None
                self._room.clear()
            await self._room.wait()

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
            self.offer(Arrival(name, (), health=health))

    def _problem(self, text: str) -> None:
        self._answer(lambda: self._listener.problem(text))

    def _answer(self, call: Callable[[], None]) -> None:
        self.offer(Answer(call))

    def offer(self, item: Arrival | Answer) -> None:
        """Puts an item into the queue, from any thread, and wakes the UI loop if it sleeps."""
        with self._lock:
            if self._stopped:
                return
            self._queue.append(item)
            if isinstance(item, Arrival):
                self._waiting_events += len(item.events)
            wake = not self._awake
            self._awake = True
        if wake and self._ui_loop is not None and not self._ui_loop.is_closed():
            self._ui_loop.call_soon_threadsafe(self._wake, context=self._context)


def _merge(into: ChangeSet, more: ChangeSet) -> None:
    into.roots |= more.roots
    into.dirty |= more.dirty
    into.order = into.order or more.order


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
