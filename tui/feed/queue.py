"""What has arrived and waits to be applied: the bounded queue between the thread that reads and the UI loop.

A batch goes into the queue and, only when the queue was empty, one call is scheduled on the UI loop (a call per event
would cost 50-260 µs each; a batch applies at 1-4 µs an event). The UI side applies what is there for at most BUDGET,
hands one merged change set to the screen and comes back with the next beat if something is left. With nothing to read
neither side wakes up. What somebody waits for, an answer or a session that is whole, does not wait for a beat.

What happens when more comes than can be applied: a producer that is HIGH events ahead waits, nothing in the queue is
dropped or reordered, and what changes meanwhile in the database is read once, in its newest state, when the producer
goes on. So detail between two states may never be seen; an end state always is. The screen says "catching up".
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from adapter.events import Event
from adapter.health import Health
from adapter.pace import Beats
from tui.feed.lag import Delays
from tui.model.records import ChangeSet
from tui.model.store.store import Store
from tui.protocols import Listener
from tui.render.bars.health import Lags

PHASE_S = 0.025
"""Seconds behind the beat in which the sources are read: by then they have told what they read (2 to 3 ms each)."""

BACKLOG_PERIOD = 0.012
"""Seconds between two applications while a backlog is being worked off (a start, a big session): half of the loop stays
free for keys."""

BUDGET = 0.008
"""Seconds that one application may take before the loop gets to handle keys and paint."""

SLICE = 200
"""Events applied between two looks at the clock."""

HIGH, LOW = 20_000, 5_000
"""Events waiting in the queue at which a producer pauses, and goes on."""

MEASURED_S = 1.0
"""How often it is measured when a frame gets to the terminal: to be called back takes Textual five messages."""

BEHIND_AFTER = 0.5
"""Seconds that a backlog has to last before the screen says so: opening a big session takes less."""

FREEZE_AFTER = 5_000
"""Events of one backlog after which what they have made is taken out of the collector's sight: it stays, it has no
cycles, and a look through the model of 7,000 sessions stopped everything for 200 ms."""


class Arrival(NamedTuple):
    """A batch on its way to the model; `loaded` names the sessions that are whole with it, `begun` those of which the
    rest comes with the next, `released` those of which nothing but the row is kept up to date from here on."""

    source: str
    events: Sequence[Event]
    loaded: Sequence[str] = ()
    committed_at: float = 0.0
    health: Health | None = None
    released: Sequence[str] = ()
    begun: Sequence[str] = ()


class Answer(NamedTuple):
    """An answer on its way to the UI loop, in order with the events; `source` is where it comes from."""

    call: Callable[[], None]
    source: str = ""


class Anew(NamedTuple):
    """From here on a source tells everything from the beginning; what it told before is to be forgotten."""

    source: str


class Arrivals:
    """Takes batches and answers from any thread, and applies them to the store on the UI loop, in order."""

    def __init__(self, store: Store, listener: Listener, clock: Callable[[], float]) -> None:
        self.store = store
        self.health: dict[str, Health] = {}
        self._listener = listener
        self._clock = clock
        self._started_at = clock()

        self._lock = threading.Lock()
        self._queue: deque[Arrival | Answer | Anew] = deque()
        self._waiting_events = 0
        self._awake = False
        self._in_haste = False
        """Whether somebody waits for what is in the queue."""
        self._closed = False
        self._producer: asyncio.AbstractEventLoop | None = None
        self._room: asyncio.Event | None = None

        self._ui_loop: asyncio.AbstractEventLoop | None = None
        self._context: contextvars.Context | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beats = Beats(self._now, PHASE_S)
        self._applied_at = self._measured_at = float("-inf")
        self._current: Arrival | None = None
        self._position = 0
        self._busy_since: float | None = None
        self._unfrozen = 0
        self._dropped: set[str] = set()
        self._delays = Delays()

    # --- from any thread -------------------------------------------------------------------------------------

    def offer(self, item: Arrival | Answer | Anew) -> None:
        """Puts an item into the queue and wakes the UI loop if it sleeps."""
        with self._lock:
            if self._closed:
                return
            self._queue.append(item)
            awaited = isinstance(item, Answer)
            if isinstance(item, Arrival):
                self._waiting_events += len(item.events)
                awaited = bool(item.loaded or item.begun)
            haste = awaited and not self._in_haste
            wake = haste or not self._awake
            self._in_haste = self._in_haste or haste
            self._awake = True
        if wake and self._ui_loop is not None and not self._ui_loop.is_closed():
            self._ui_loop.call_soon_threadsafe(self._wake, context=self._context)

    async def room(self) -> None:
        """Waits, in the producer's loop, until fewer than HIGH events wait, and once there were more, fewer than
        LOW."""
        while True:
            with self._lock:
                if self._waiting_events <= HIGH:
                    return
                if self._room is None:
                    self._producer, self._room = asyncio.get_running_loop(), asyncio.Event()
                room = self._room
            await room.wait()

    # --- on the UI loop --------------------------------------------------------------------------------------

    def attach(self) -> None:
        """Remembers the running loop, and the context that Textual's widgets need, as where to apply events. What has
        arrived before is applied now."""
        self._context = contextvars.copy_context()
        self._ui_loop = asyncio.get_running_loop()
        if self.waiting:
            self._wake()

    def close(self) -> None:
        """Drops what waits, and takes nothing in from now on."""
        with self._lock:
            self._closed = True
            self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def waiting(self) -> bool:
        """Whether something has arrived that has not been applied."""
        return bool(self._queue) or self._current is not None

    @property
    def behind(self) -> int:
        """How many events wait, once there has been more than one application can take for BEHIND_AFTER; else 0."""
        if self._busy_since is None or self._clock() - self._busy_since < BEHIND_AFTER:
            return 0
        return self._waiting_events

    def lags(self) -> Lags | None:
        """How late the screen is, over the last 500 live batches; None before the first."""
        return self._delays.summary()

    def drop(self, source: str) -> None:
        """Takes nothing more in from a source until it tells everything anew."""
        self._dropped.add(source)
        if self._current is not None and self._current.source == source:
            self._drained(len(self._current.events) - self._position)
            self._current = None

    def apply(self) -> None:
        """Applies what is waiting, within BUDGET, and tells the listener once. An error in any of it is told, too, and
        holds up nothing else."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        busy = False
        try:
            busy = self._apply()
        except Exception as error:
            self._listener.fault("emptying the queue", error, None)
        finally:
            self._again(busy)

    def _apply(self) -> bool:
        """Returns whether more is left than a frame's worth of news."""
        deadline = time.perf_counter() + BUDGET
        changes = ChangeSet(roots=set(), dirty=set())
        calls: list[Answer] = []
        committed: list[float] = []
        health_changed, moves = False, self.store.copies.moves
        while (item := self._next()) is not None:
            if isinstance(item, Answer):
                calls.append(item)
                continue
            if isinstance(item, Anew):
                self._dropped.discard(item.source)
                self.store.forget(item.source)
                self._listener.loading_anew(item.source)
                continue
            try:
                part = item.events[self._position : self._position + SLICE]
                _merge(changes, self.store.apply(part))
                self._position += len(part)
                self._unfrozen += len(part)
                self._drained(len(part))
                if self._position >= len(item.events):
                    self._current = None
                    _merge(changes, self._ended(item))
                    if item.health is not None:
                        _merge(changes, self.store.meet(item.source, item.health.processes))
                        _merge(changes, self.store.lose_sight(item.source, int(item.health.cut * 1e6)))
                        self.health[item.source] = item.health
                        health_changed = True
                    if item.committed_at > self._started_at:
                        committed.append(item.committed_at)
            except Exception as error:
                self._listener.fault("applying events", error, {item.source})
                # Whatever became of it: the same events again would raise again.
                self.drop(item.source)
            if time.perf_counter() > deadline:
                break
        busy = self._is_busy()
        drawn = False
        if changes.roots or changes.dirty or changes.order:
            drawn = self._tell(changes)
        now = self._clock()
        # The rows have their times by another clock, or by one that was set back since.
        self._delays.to_model(max(0.0, now - at) * 1000 for at in committed)
        applied = time.perf_counter()
        if drawn and committed and applied > self._measured_at + MEASURED_S:
            self._measured_at = applied
            self._listener.after_paint(lambda: self._delays.to_paint((time.perf_counter() - applied) * 1000))
        for answer in calls:
            try:
                answer.call()
            except Exception as error:
                self._listener.fault("taking in an answer", error, {answer.source} if answer.source else None)
        if health_changed or moves != self.store.copies.moves:
            outdated = self.store.copies.outdated(self.store.sessions)
            healths = {
                source: replace(health, backup=True) if source in outdated else health
                for source, health in self.health.items()
            }
            self._listener.health_changed(healths)
        return busy

    def _ended(self, item: Arrival) -> ChangeSet:
        """What a batch says beside its events, once all of those have been applied."""
        changes = ChangeSet(roots=set(), dirty=set())
        for session_id in item.loaded:
            _merge(changes, self.store.mark_loaded(item.source, session_id))
        for session_id in item.released:
            _merge(changes, self.store.unload(item.source, session_id))
        return changes

    def _tell(self, changes: ChangeSet) -> bool:
        try:
            return self._listener.changed(changes)
        except Exception as error:
            sources = {source for source, _ in changes.roots} | {key.source for key in changes.dirty}
            self._listener.fault("showing what has changed", error, sources)
            return True

    def _is_busy(self) -> bool:
        """Whether more is left than a frame's worth of news; notes since when."""
        busy = self._waiting_events > SLICE
        if not busy:
            self._busy_since = None
        elif self._busy_since is None:
            self._busy_since = self._clock()
        return busy

    def _again(self, busy: bool) -> None:
        """Schedules the next application when something is left, else goes to sleep."""
        with self._lock:
            backlog = self.waiting
            self._awake = backlog
            self._in_haste = self._in_haste and backlog
        if not backlog:
            if self._unfrozen >= FREEZE_AFTER:
                # What is young and garbage already must not stay with it.
                gc.collect(1)
                gc.freeze()
            self._unfrozen = 0
        self._beats.taken()
        self._applied_at = self._now()
        if backlog:
            self._apply_in(BACKLOG_PERIOD if busy or self._in_haste else self._beats.wait_s)

    def _wake(self) -> None:
        if self._ui_loop is None or self._closed:
            return
        wait_s = self._beats.wait_s
        if self._in_haste:
            wait_s = min(wait_s, self._applied_at + BACKLOG_PERIOD - self._now())
        if wait_s <= 0:
            self.apply()
        elif self._timer is None or self._timer.when() > self._now() + wait_s:
            self._apply_in(wait_s)

    def _apply_in(self, wait_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._ui_loop is not None:
            self._timer = self._ui_loop.call_later(wait_s, self.apply, context=self._context)

    def _now(self) -> float:
        return self._ui_loop.time() if self._ui_loop is not None else time.monotonic()

    def _next(self) -> Arrival | Answer | Anew | None:
        if self._current is not None:
            return self._current
        while True:
            with self._lock:
                if not self._queue:
                    return None
                item = self._queue.popleft()
            if not isinstance(item, Arrival) or item.source not in self._dropped:
                break
            self._drained(len(item.events))
        if isinstance(item, Arrival):
            self._current, self._position = item, 0
            # It may take more than one application.
            for session_id in (*item.begun, *item.loaded):
                self.store.expect(item.source, session_id)
        return item

    def _drained(self, count: int) -> None:
        with self._lock:
            self._waiting_events -= count
            room = None
            if self._room is not None and self._waiting_events < LOW:
                room, self._room = self._room, None
        if room is not None and self._producer is not None and not self._producer.is_closed():
            self._producer.call_soon_threadsafe(room.set)


def _merge(into: ChangeSet, more: ChangeSet) -> None:
    into.roots |= more.roots
    into.dirty |= more.dirty
    into.order = into.order or more.order
    into.new |= more.new
